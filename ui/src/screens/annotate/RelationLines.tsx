/** Draws relations as arcs over the text, where something is picked or pointed at. The paragraphs are not drawn again. */
import { useLayoutEffect, useState, type RefObject } from "react";

import { relationsOf, spanNamed } from "../../editor/relations";
import { drawn, type Fixed, type State } from "../../editor/session";

interface Arc {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly label: string;
  readonly colour: string;
  readonly dashed: boolean;
  readonly directed: boolean;
}

interface Placed extends Arc {
  readonly path: string;
  readonly x: number;
  readonly y: number;
}

/** What is shown: the relation being drawn, the picked one, or those of the picked or hovered span. */
function arcsOf(given: Fixed, state: State, hovered: string | null): Arc[] {
  const found: Arc[] = [];
  const pair = drawn(state, given);
  if (pair !== null) found.push({ id: "drawn", from: pair.from, to: pair.to, label: "?", colour: "var(--lw-accent)", dashed: true, directed: pair.question.directed });
  const span = state.picked ?? hovered;
  for (const question of given.questions) {
    if (question.kind !== "relation") continue;
    for (const relation of relationsOf(state.doc, question.id)) {
      const wanted = state.pickedRelation === null ? span !== null && (relation.from_id === span || relation.to_id === span) : relation.id === state.pickedRelation;
      if (!wanted) continue;
      const label = question.labels.find((each) => each.id === relation.label);
      found.push({
        id: relation.id, from: relation.from_id, to: relation.to_id, label: label?.name ?? relation.label, colour: label?.colour ?? "#888888",
        dashed: state.doc[question.id]?.suggested.includes(relation.id) ?? false, directed: question.directed,
      });
    }
  }
  return found;
}

export function RelationLines({ stage, given, state, hovered }: { stage: RefObject<HTMLDivElement | null>; given: Fixed; state: State; hovered: string | null }) {
  const [placed, setPlaced] = useState<readonly Placed[]>([]);
  useLayoutEffect(() => {
    const box = stage.current;
    if (box === null) return undefined;
    const place = (): void => {
      const arcs = arcsOf(given, state, hovered);
      setPlaced(arcs.length === 0 ? [] : arcs.flatMap((arc, i) => located(box, given, state, arc, i)));
    };
    place();
    const watch = new ResizeObserver(place);
    watch.observe(box);
    return () => { watch.disconnect(); };
  }, [stage, given, state, hovered]);
  if (placed.length === 0) return null;
  return (
    <svg className="lw-arcs" aria-hidden>
      <defs>
        <marker id="lw-arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse">
          <path d="M0 0 L8 4 L0 8 z" fill="context-stroke" />
        </marker>
      </defs>
      {placed.map((arc) => (
        <g key={arc.id}>
          <path d={arc.path} className="lw-arc" style={{ stroke: arc.colour }} strokeDasharray={arc.dashed ? "5 4" : undefined} markerEnd={arc.directed ? "url(#lw-arrow)" : undefined} />
          <text x={arc.x} y={arc.y} className="lw-arc-label">{arc.label}</text>
        </g>
      ))}
    </svg>
  );
}

/** The mark that a span begins with; a span may begin inside another one's piece only where a piece begins. */
function markOf(box: HTMLElement, given: Fixed, state: State, id: string): Element | null {
  const start = spanNamed(given.questions, state.doc, id)?.span.start;
  return start === undefined ? null : box.querySelector(`mark[data-start="${String(start)}"]`);
}

function located(box: HTMLElement, given: Fixed, state: State, arc: Arc, lane: number): Placed[] {
  const [one, other] = [markOf(box, given, state, arc.from), markOf(box, given, state, arc.to)];
  if (one === null || other === null) return [];
  const origin = box.getBoundingClientRect();
  const [a, b] = [one, other].map((mark) => {
    const rect = mark.getClientRects()[0] ?? mark.getBoundingClientRect();
    return { x: rect.left + rect.width / 2 - origin.left - box.clientLeft, y: rect.top - origin.top - box.clientTop };
  }) as [{ x: number; y: number }, { x: number; y: number }];
  // Above the upper of the two lines, each arc in a lane of its own.
  const high = Math.min(a.y, b.y) - 12 - (lane % 4) * 9;
  const path = `M${String(a.x)} ${String(a.y)} C${String(a.x)} ${String(high)} ${String(b.x)} ${String(high)} ${String(b.x)} ${String(b.y)}`;
  return [{ ...arc, path, x: (a.x + b.x) / 2, y: (a.y + b.y + 6 * high) / 8 + 4 }];
}
