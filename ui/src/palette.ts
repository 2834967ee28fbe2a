/** The label palette: colour-blind-safe, the same in both themes. Mirrors LABEL_COLOURS of the server. */
export const LABEL_COLOURS = [
  "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00",
  "#F0E442", "#892218", "#90FAF3", "#332288", "#6E4E6B", "#A2D496",
] as const;

/** Black or white, whichever is easier to read on a label colour (relative luminance, WCAG 2). */
export function inkOn(colour: string): "#000000" | "#FFFFFF" {
  const channel = (at: number): number => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const luminance = 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
  return (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) ? "#000000" : "#FFFFFF";
}
