/** What is done to whole regions: relabel, order, copy, join, cut, convert, attributes. */
import type { Attribute, Label, Region, RegionQuestion, Shape, ShapeKind } from "../types";
import { cut as cutShape, hasArea, merge, toMask, toPolygon } from "./combine";
import { translate } from "./geometry";
import { fitsAttribute, fitsSkeleton } from "./attributes";
import { boundsOf } from "./hit";
import { add, allRegions, human, isEditable, labelsOf, regionQuestions, revise, selection, type Copied, type Found, type Given, type State } from "./state";

/** How far a copy lies from what it was copied from, in image pixels. */
const ASIDE = 10;

/** What of the selection may be changed. */
export function editable(state: State, given: Given): Found[] {
  return selection(state, given).filter(({ region }) => isEditable(state, region.id));
}

/** Give the selection a label, as far as it belongs to its question and fits its shape; null where it fits nothing. */
export function relabelled(state: State, given: Given, id: string): State | null {
  const label = (question: RegionQuestion): Label | undefined => labelsOf(question).find((each) => each.id === id);
  const fit = new Set(editable(state, given).filter((f) => fitsSkeleton(label(f.question), f.region.shape)).map((f) => f.region.id));
  if (fit.size === 0) return null;
  return revise(state, given, (region, question) => {
    const wanted = label(question);
    if (!fit.has(region.id) || wanted === undefined || (region.label === id && region.score === undefined)) return region;
    return withAttributes({ ...human(region), label: id }, wanted);
  });
}

export function setAttribute(state: State, given: Given, ids: readonly string[], id: string, value: string | number | boolean | null): State {
  const chosen = new Set(ids);
  return revise(state, given, (region, question) => {
    const attribute = question.labels.find((each) => each.id === region.label)?.attributes?.find((each) => each.id === id);
    if (!chosen.has(region.id) || attribute === undefined || (value !== null && !fitsAttribute(attribute, value))) return region;
    if ((region.attributes?.[id] ?? null) === value) return region;
    const others = Object.entries(region.attributes ?? {}).filter(([key]) => key !== id);
    return { ...human(region), attributes: Object.fromEntries(value === null ? others : [...others, [id, value]]) };
  });
}

/** Regions that lack what their label demands, with the attributes. */
export function lacking(given: Given, doc: State["doc"]): { region: Region; question: RegionQuestion; attributes: Attribute[] }[] {
  return allRegions(given, doc).flatMap(({ region, question }) => {
    const asked = question.labels.find((each) => each.id === region.label)?.attributes ?? [];
    const attributes = asked.filter((each) => each.required === true && region.attributes?.[each.id] === undefined);
    return attributes.length === 0 ? [] : [{ region, question, attributes }];
  });
}

export function deleted(state: State, given: Given): State {
  const gone = new Set(editable(state, given).map(({ region }) => region.id));
  return revise(state, given, (region) => (gone.has(region.id) ? null : region));
}

/** On top of everything, or under it. */
export function ordered(state: State, given: Given, to: "front" | "back"): State {
  const chosen = new Set(editable(state, given).map(({ region }) => region.id));
  const others = allRegions(given, state.doc).filter(({ region }) => !chosen.has(region.id)).map(({ region }) => region.z_order ?? 0);
  if (chosen.size === 0 || others.length === 0) return state;
  const level = to === "front" ? Math.max(...others) + 1 : Math.min(...others) - 1;
  return revise(state, given, (region) => (chosen.has(region.id) && region.z_order !== level ? { ...human(region), z_order: level } : region));
}

/** Copies of regions, with ids of their own; beside what lies on the same place, inside the image, selected. */
export function pasted(state: State, given: Given, copied: readonly Copied[]): State {
  const { width, height } = given.extent;
  const places = new Set(allRegions(given, state.doc).map(({ region }) => JSON.stringify(boundsOf(region.shape))));
  const added = copied.flatMap(({ question: asked, region }): Copied[] => {
    const question = regionQuestions(given, state.doc).find((q) => q.id === asked);
    const label = question?.labels.find((each) => each.id === region.label && !each.retired);
    const { shape } = region;
    const wrongMask = shape.kind === "mask" && (shape.size[0] !== height || shape.size[1] !== width);
    const box = wrongMask ? null : boundsOf(shape);
    if (question === undefined || !question.shapes.includes(shape.kind) || box === null || !fitsSkeleton(label, shape)) return [];
    const aside = places.has(JSON.stringify(box)) ? ASIDE : 0;
    if (box.maxX - box.minX > width || box.maxY - box.minY > height) return [];
    const dx = Math.max(-box.minX, Math.min(aside, width - box.maxX));
    const dy = Math.max(-box.minY, Math.min(aside, height - box.maxY));
    return [{ question: asked, region: { ...human(region), id: given.newId(), shape: translate(shape, dx, dy) } }];
  });
  if (added.length === 0) return state;
  return { ...add(state, given, added), selected: added.map((each) => each.region.id), question: added[0]?.question ?? state.question };
}

/** The areas of the selection as one, in place of the first; of one question and label. */
export function merged(state: State, given: Given): State {
  const [first, ...others] = editable(state, given).filter((f) => hasArea(f.region.shape));
  const mine = others.filter((f) => f.question.id === first?.question.id);
  if (first === undefined || mine.length === 0) return state;
  const shape = allowed(first.question, merge([first, ...mine].map((f) => f.region.shape), given.extent), given);
  if (shape === null) return state;
  const gone = new Set(mine.map((f) => f.region.id));
  const after = revise(state, given, (region) => (region.id === first.region.id ? { ...human(region), shape } : gone.has(region.id) ? null : region));
  return { ...after, selected: [first.region.id] };
}

/** What was selected first loses what the others cover; those stay. */
export function cut(state: State, given: Given): State {
  const [first, ...others] = selection(state, given).filter((f) => hasArea(f.region.shape));
  if (first === undefined || others.length === 0 || !isEditable(state, first.region.id)) return state;
  const shape = allowed(first.question, cutShape(first.region.shape, others.map((f) => f.region.shape), given.extent), given);
  if (shape === null) return state;
  return { ...revise(state, given, (region) => (region.id === first.region.id ? { ...human(region), shape } : region)), selected: [first.region.id] };
}

/** Polygons become masks and masks polygons, where the question takes them; other areas become polygons, or else masks. */
export function convertedSelection(state: State, given: Given): State {
  const chosen = new Set(editable(state, given).map(({ region }) => region.id));
  return revise(state, given, (region, question) => {
    if (!chosen.has(region.id) || !hasArea(region.shape)) return region;
    const wanted: ShapeKind[] = region.shape.kind === "polygon" ? ["mask"] : region.shape.kind === "mask" ? ["polygon"] : ["polygon", "mask"];
    const kind = wanted.find((each) => question.shapes.includes(each));
    const shape = kind === undefined ? null : as(region.shape, kind, given);
    return shape === null ? region : { ...human(region), shape };
  });
}

/** An area as a kind that the question takes. */
function allowed(question: RegionQuestion, shape: Shape | null, given: Given): Shape | null {
  if (shape === null || question.shapes.includes(shape.kind)) return shape;
  const kind = (["polygon", "mask"] as const).find((each) => question.shapes.includes(each));
  return kind === undefined ? null : as(shape, kind, given);
}

/** How far the outline of a mask may leave the borders of its pixels, in image pixels. */
const TOLERANCE = 0.75;

/** The same area as another kind; null where it has none. */
function as(shape: Shape, kind: ShapeKind, given: Given): Shape | null {
  if (kind === "polygon") return toPolygon(shape, TOLERANCE);
  const mask = toMask(shape, given.extent);
  return mask === null || boundsOf(mask) === null ? null : mask;
}

/** The attributes that the label knows, as far as they still fit. */
function withAttributes(region: Region, label: Label): Region {
  if (region.attributes === undefined) return region;
  const kept = Object.entries(region.attributes).filter(([id, value]) => {
    const attribute = label.attributes?.find((each) => each.id === id);
    return attribute !== undefined && fitsAttribute(attribute, value);
  });
  return { ...region, attributes: Object.fromEntries(kept) };
}
