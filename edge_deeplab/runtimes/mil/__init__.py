"""The MIL reference evaluator: what a saved Core ML package means, computed on any machine.

    reader     a saved .mlpackage -> a plain program: steps, constants, types
    operators  one function for each MIL operator
    evaluator  walks a program with them
    engine     the program as an `Engine` of `edge_deeplab.runtimes.engine`

It is a reference for what the file says, operator by operator and at the program's own precision. It is no simulation
of the Neural Engine, whose order of summation and rounding Apple does not document.
"""
