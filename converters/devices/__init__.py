"""What a device asks of an export: rewrites that mend, forms of atrous convolutions, heads."""
