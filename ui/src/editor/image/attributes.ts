/** Whether labels fit shapes, and values their attributes. */
import type { Attribute, Label, Shape } from "../types";

/** Characters of a free text about one region. */
export const MOST_TEXT = 2_000;

/** Key points must be as many as the skeleton of their label has. */
export function fitsSkeleton(label: Label | undefined, shape: Shape): boolean {
  return label !== undefined && (shape.kind !== "points" || !label.skeleton || label.skeleton.points.length === shape.points.length);
}

/** Whether a value answers an attribute. */
export function fitsAttribute(attribute: Attribute, value: string | number | boolean): boolean {
  switch (attribute.type) {
    case "choice":
      return typeof value === "string" && (attribute.options ?? []).includes(value);
    case "boolean":
      return typeof value === "boolean";
    case "text":
      return typeof value === "string" && value.length <= MOST_TEXT;
    default:
      return (
        typeof value === "number" && Number.isFinite(value) && (attribute.type !== "integer" || Number.isInteger(value)) &&
        value >= (attribute.minimum ?? -Infinity) && value <= (attribute.maximum ?? Infinity)
      );
  }
}
