// The legend: a button for every class that hides or shows it, with its share of the picture.

import { CLASSES, PALETTE } from "../contract.js";
import { element } from "./panels.js";

/** Fill a list; returns what updates the shares. `onChange` is told when a class was hidden or shown. */
export function fillLegend(list, hidden, onChange) {
  const shares = CLASSES.map((name, id) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", "true");
    const swatch = element("span", "swatch");
    swatch.style.backgroundColor = `rgb(${PALETTE[id].join(" ")})`;
    const share = element("span", "share");
    button.append(swatch, element("span", "name", name), share);
    button.addEventListener("click", () => {
      const shown = hidden.delete(id);
      if (!shown) hidden.add(id);
      button.setAttribute("aria-pressed", String(shown));
      onChange();
    });
    const item = document.createElement("li");
    item.append(button);
    list.append(item);
    return share;
  });
  return (values) => {
    values.forEach((value, id) => {
      shares[id].textContent = value ? `${value < 0.01 ? "<1" : Math.round(100 * value)} %` : "";
      shares[id].closest("li").classList.toggle("absent", !value);
    });
  };
}
