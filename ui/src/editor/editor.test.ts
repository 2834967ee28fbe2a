import fc from "fast-check";
import { describe, expect, it } from "vitest";

import { answersOf, answered, apply, fits, invert, missing, slotOf, spansOf } from "./document";
import { NO_HISTORY, perform, redo, undo } from "./history";
import { OffsetTable } from "./offsets";
import { pathOf } from "./nested";
import { relationsFit, relationsOf } from "./relations";
import { lanes, segments } from "./segments";
import { byDoubt, digits, fixed, start, step, target, type Event, type State } from "./session";
import { STILL, active, away } from "./time";
import type { Answer, Question, Span } from "./types";

const label = (id: string) => ({ id, name: id.toUpperCase(), colour: "#000000", definition: "", retired: false });
const base = { instruction: "", required: true, retired: false };
const ENTITIES: Question = { ...base, id: "e", name: "E", kind: "span", overlap: false, labels: [label("per"), label("org")] };
const NESTED: Question = { ...base, id: "n", name: "N", kind: "span", overlap: true, labels: [label("per"), label("org")] };
const TOPIC: Question = { ...base, id: "t", name: "T", kind: "choice", multiple: false, labels: [label("a"), label("b")] };
const TAGS: Question = { ...base, id: "g", name: "G", kind: "choice", multiple: true, required: false, labels: [label("a"), label("b")] };
const WHY: Question = { ...base, id: "w", name: "W", kind: "text", max_length: 20, depends_on: { question: "t", labels: ["b"] } };
const child = (id: string, parent: string) => ({ ...label(id), parent });
const TREE: Question = {
  ...base, id: "x", name: "X", kind: "choice", multiple: false, leaves_only: true,
  labels: [label("a"), child("a1", "a"), child("a2", "a"), child("a11", "a1"), label("b")],
};
const JOINED: Question = {
  ...base, id: "r", name: "R", kind: "relation", labels: [label("a"), label("b")],
  from_question: "n", to_question: "n", from_labels: [], to_labels: [], directed: false,
};
const WORKS: Question = {
  ...base, id: "v", name: "V", kind: "relation", labels: [label("a")],
  from_question: "e", to_question: "n", from_labels: ["per"], to_labels: ["org"], directed: true,
};
const ALL = [ENTITIES, NESTED, TOPIC, TAGS, WHY, TREE, JOINED, WORKS];

const pieces = ["a", "Zoë", "e\u0301", "😀", "👩‍👩‍👧", "🇩🇪", "東京", "شكرا", " ", "\n", "\r\n", "\u00a0", "İ", "."];
const texts = fc.array(fc.constantFrom(...pieces), { maxLength: 25 }).map((parts) => parts.join(""));

let counter = 0;
const given = (text: string, questions: readonly Question[] = ALL) => fixed(questions, text, () => `s${String((counter += 1))}`);
const run = (g: ReturnType<typeof given>, from: State, ...events: Event[]) => events.reduce((s, e) => step(s, e, g), from);

describe("offsets", () => {
  it("code points to UTF-16 and back is the identity", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const table = new OffsetTable(text);
        const points = Array.from(text);
        expect(table.length).toBe(points.length);
        for (let point = 0; point <= table.length; point += 1) {
          expect(table.toPoint(table.toUnit(point))).toBe(point);
          expect(table.slice(0, point)).toBe(points.slice(0, point).join(""));
        }
      }),
    );
  });
  it("the middle of a surrogate pair counts as its start", () => {
    const table = new OffsetTable("a😀b");
    expect([0, 1, 2, 3, 4].map((unit) => table.toPoint(unit))).toEqual([0, 1, 1, 2, 3]);
  });
  it("words and paragraphs lie in order inside the text, and every visible character is in a paragraph", () => {
    fc.assert(
      fc.property(texts, (text) => {
        const table = new OffsetTable(text);
        let last = 0;
        for (const word of table.words()) {
          expect(word.start).toBeGreaterThanOrEqual(last);
          expect(word.end).toBeGreaterThan(word.start);
          last = word.end;
        }
        expect(last).toBeLessThanOrEqual(table.length);
        const shown = table.paragraphs().map((p) => table.slice(p.start, p.end)).join("");
        expect(shown).toBe(text.replace(/\r\n|[\n\r\u2028\u2029\u0085]/gu, ""));
      }),
    );
  });
});

describe("characters a person sees", () => {
  it("no selection ever cuts one", () => {
    fc.assert(
      fc.property(texts, fc.nat(40), fc.nat(40), (text, one, other) => {
        const g = given(text);
        const { selection } = run(g, start(g, {}, false), { type: "select", start: one, end: other });
        if (selection === null) return;
        const borders = g.table.graphemes(0, g.table.length);
        expect(borders).toContain(selection.start);
        expect(borders).toContain(selection.end);
      }),
    );
  });
  it("half of a family or of a letter with its accent becomes the whole", () => {
    const g = given("a👩‍👩‍👧 e\u0301z");
    expect(run(g, start(g, {}, false), { type: "select", start: 2, end: 3 }).selection).toEqual({ start: 1, end: 6 });
    expect(run(g, start(g, {}, false), { type: "select", start: 8, end: 9 }).selection).toEqual({ start: 7, end: 9 });
  });
});

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ type: fc.constant("move" as const), by: fc.integer({ min: -3, max: 3 }), extend: fc.boolean(), characters: fc.boolean() }),
  fc.record({ type: fc.constant("select" as const), start: fc.integer({ min: -2, max: 60 }), end: fc.integer({ min: -2, max: 60 }) }),
  fc.record({ type: fc.constant("place" as const), point: fc.integer({ min: 0, max: 60 }) }),
  fc.record({ type: fc.constant("label" as const), label: fc.constantFrom("per", "org", "a", "b", "a1", "a11", "zzz"), whole: fc.boolean() }),
  fc.constantFrom<Event>({ type: "relate" }, { type: "relate" }, { type: "link", link: "Q1" }, { type: "open", question: "x", label: "a" }),
  fc.constantFrom<Event>({ type: "relate" }, { type: "walk", by: 1 }, { type: "label", label: "a" }, { type: "pick-relation", relation: "s3" }),
  fc.record({ type: fc.constant("focus" as const), question: fc.constantFrom("e", "n", "t", "g", "w", "x", "r", "v", "zzz") }),
  fc.record({ type: fc.constant("walk" as const), by: fc.constantFrom(1 as const, -1 as const) }),
  fc.record({ type: fc.constant("border" as const), end: fc.constantFrom("start" as const, "end" as const), by: fc.constantFrom(1, -1) }),
  fc.constantFrom<Event>({ type: "again" }, { type: "delete" }, { type: "confirm" }, { type: "move-borders" }, { type: "everywhere" },
    { type: "cancel" }, { type: "undo" }, { type: "redo" }, { type: "edge", to: "end" }, { type: "next-question", by: 1 }),
);

describe("the laws of editing", () => {
  it("applying the inverse of a change gives the document back", () => {
    fc.assert(
      fc.property(texts, fc.array(anyEvent, { maxLength: 12 }), fc.constantFrom("a", "b"), (text, events, id) => {
        const g = given(text);
        const { doc } = run(g, start(g, {}, false), ...events);
        const change = answered(doc, "t", { kind: "choice", labels: [id] });
        expect(apply(invert(change), apply(change, doc))).toEqual({ ...doc, t: slotOf(doc, "t") });
      }),
    );
  });
  it("undo takes every step back and redo does them all again", () => {
    fc.assert(
      fc.property(texts, fc.array(anyEvent, { maxLength: 30 }), (text, events) => {
        const g = given(text);
        const begin = start(g, {}, false);
        let state = run(g, begin, ...events.filter((e) => e.type !== "undo" && e.type !== "redo"));
        const end = state.doc;
        const steps = state.history.done.length;
        for (let i = 0; i < steps; i += 1) state = step(state, { type: "undo" }, g);
        const clear = (doc: State["doc"]) => Object.fromEntries(Object.entries(doc).filter(([, slot]) => slot.answer !== null));
        expect(clear(state.doc)).toEqual(clear(begin.doc));
        for (let i = 0; i < steps; i += 1) state = step(state, { type: "redo" }, g);
        expect(state.doc).toEqual(end);
      }),
    );
  });
  it("no script of events ever breaks the rules of the questions", () => {
    fc.assert(
      fc.property(texts, fc.array(anyEvent, { maxLength: 60 }), (text, events) => {
        const g = given(text);
        let state = start(g, {}, false);
        for (const event of events) {
          state = step(state, event, g);
          for (const question of ALL) {
            const { answer, suggested } = slotOf(state.doc, question.id);
            if (answer !== null) expect(fits(question, answer, g.table.length)).toBe(true);
            if (answer?.kind === "span") expect(suggested.every((id) => answer.spans.some((s) => s.id === id))).toBe(true);
            if (answer?.kind === "relation" && question.kind === "relation") expect(relationsFit(ALL, state.doc, question, answer.relations)).toBe(true);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
  it("history forgets what was undone once something new is done", () => {
    const change = (labels: string[]) => [answered({}, "t", { kind: "choice", labels })];
    const one = perform({}, NO_HISTORY, change(["a"]));
    const back = undo(one.doc, one.history);
    const other = perform(back.doc, back.history, change(["b"]));
    expect(redo(other.doc, other.history).doc).toBe(other.doc);
  });
});

describe("labelling with the keyboard alone", () => {
  const g = given("Anna met Bob Ray in Oslo. Anna left.", [ENTITIES]);
  const shown = (s: State) => spansOf(s.doc, "e").map((x) => `${g.table.slice(x.start, x.end)}/${x.label}`);

  it("labels the token under the caret and moves on, so that a run of names is one digit each", () => {
    const s = run(g, start(g, {}, false), { type: "label", label: "per" }, { type: "move", by: 1 }, { type: "label", label: "per" });
    expect(shown(s)).toEqual(["Anna/per", "Bob/per"]);
    expect(g.table.slice(...(Object.values(target(s, g) ?? {}) as [number, number]))).toBe("Ray");
  });
  it("selects with shift, repeats the last label, replaces what overlaps", () => {
    let s = run(g, start(g, {}, false), { type: "move", by: 2 }, { type: "label", label: "org" });
    s = run(g, s, { type: "move", by: -1 }, { type: "move", by: 1, extend: true }, { type: "label", label: "per" });
    expect(shown(s)).toEqual(["Bob Ray/per"]);
    s = run(g, s, { type: "move", by: 1 }, { type: "again" });
    expect(shown(s)).toEqual(["Bob Ray/per", "Oslo/per"]);
  });
  it("moves borders by tokens, and labels all identical strings", () => {
    let s = run(g, start(g, {}, false), { type: "label", label: "per" }, { type: "walk", by: 1 }, { type: "everywhere" });
    expect(shown(s)).toEqual(["Anna/per", "Anna/per"]);
    s = run(g, s, { type: "undo" }, { type: "walk", by: 1 }, { type: "move-borders" }, { type: "border", end: "end", by: 1 });
    expect(shown(s)).toEqual(["Anna met/per"]);
    s = run(g, s, { type: "delete" });
    expect(shown(s)).toEqual([]);
  });
});

/** Two people and a company, as spans of one question, with relations between them. */
describe("relations", () => {
  const works: Question = { ...base, id: "r", name: "R", kind: "relation", labels: [label("leads"), label("owns")], from_question: "e", to_question: "e", from_labels: ["per"], to_labels: ["org"], directed: true };
  const g = given("Anna leads Acme. Bob owns Acme.", [ENTITIES, works]);
  const spans: Span[] = [
    { id: "anna", label: "per", start: 0, end: 4 },
    { id: "acme", label: "org", start: 11, end: 15 },
    { id: "bob", label: "per", start: 17, end: 20 },
    { id: "acme2", label: "org", start: 26, end: 30 },
  ];
  const begin = start(g, { e: { kind: "span", spans } }, false);
  const shown = (s: State) => relationsOf(s.doc, "r").map((r) => `${r.from_id} ${r.label} ${r.to_id}`);

  it("are drawn with R, N and a digit: only what can be joined is offered, the nearest first", () => {
    const drawing = run(g, begin, { type: "pick", span: "anna" }, { type: "relate" });
    expect(drawing.relating).toEqual({ from: "anna", to: "acme" });
    expect(digits(drawing, g).map((l) => l.id)).toEqual(["leads", "owns"]);
    const made = run(g, drawing, { type: "walk", by: 1 }, { type: "label", label: "leads" });
    expect(shown(made)).toEqual(["anna leads acme2"]);
    // The person stays picked, and digits mean labels of spans again.
    expect(made.picked).toBe("anna");
    expect(digits(made, g).map((l) => l.id)).toEqual(["per", "org"]);
  });
  it("may be begun at the other end: the direction is the one that is allowed", () => {
    expect(shown(run(g, begin, { type: "pick", span: "acme" }, { type: "relate" }, { type: "pick", span: "bob" }, { type: "label", label: "owns" }))).toEqual(["bob owns acme"]);
    expect(run(g, begin, { type: "pick", span: "anna" }, { type: "relate" }, { type: "pick", span: "bob" }).relating?.to).toBe("acme");
  });
  it("go with a span that is deleted, relabelled or replaced, and come back with it in one step", () => {
    const made = run(g, begin, { type: "pick", span: "anna" }, { type: "relate" }, { type: "label", label: "leads" });
    const pickAcme: Event = { type: "pick", span: "acme" };
    for (const events of [[pickAcme, { type: "delete" }], [pickAcme, { type: "label", label: "per" }], [{ type: "select", start: 11, end: 16 }, { type: "focus", question: "e" }, { type: "label", label: "org" }]] as Event[][]) {
      const gone = run(g, made, { type: "cancel" }, ...events);
      expect(shown(gone)).toEqual([]);
      expect(run(g, gone, { type: "undo" }).doc).toEqual(made.doc);
    }
  });
  it("can be picked, given another type, confirmed and deleted", () => {
    const relation = { id: "m", label: "leads", from_id: "anna", to_id: "acme", score: 0.4 };
    const suggested = start(g, { e: { kind: "span", spans }, r: { kind: "relation", relations: [relation] } }, true);
    const walked = run(g, suggested, { type: "focus", question: "r" }, { type: "walk", by: 1 });
    expect(walked.pickedRelation).toBe("m");
    expect(slotOf(run(g, walked, { type: "confirm" }).doc, "r").suggested).toEqual([]);
    expect(shown(run(g, walked, { type: "label", label: "owns" }))).toEqual(["anna owns acme"]);
    expect(shown(run(g, walked, { type: "delete" }))).toEqual([]);
    expect(spansOf(run(g, walked, { type: "delete" }).doc, "e")).toHaveLength(4);
  });
  it("are sent only with the spans they join", () => {
    const made = run(g, begin, { type: "pick", span: "anna" }, { type: "relate" }, { type: "label", label: "leads" });
    expect(answersOf([ENTITIES, works], made.doc)["r"]).toMatchObject({ relations: [{ from_id: "anna" }] });
    expect(answersOf([{ ...ENTITIES, retired: true }, works], made.doc)["r"]).toEqual({ kind: "relation", relations: [] });
  });
});

describe("nested labels", () => {
  const g = given("x", [TREE]);
  const begin = start(g, {}, false);
  const shown = (s: State) => slotOf(s.doc, "x").answer;
  const names = (s: State) => digits(s, g).map((l) => l.id);

  it("are chosen level by level; a label with others under it opens them and answers nothing yet", () => {
    expect(names(begin)).toEqual(["a", "b"]);
    const open = run(g, begin, { type: "label", label: "a" });
    expect([names(open), shown(open), open.revision]).toEqual([["a1", "a2"], null, begin.revision]);
    const chosen = run(g, open, { type: "label", label: "a1" }, { type: "label", label: "a11" });
    expect(shown(chosen)).toEqual({ kind: "choice", labels: ["a11"] });
    expect(pathOf(TREE.kind === "choice" ? TREE.labels : [], "a11")).toBe("A › A1 › A11");
  });
  it("Escape and Backspace go up one level", () => {
    const deep = run(g, begin, { type: "label", label: "a" }, { type: "label", label: "a1" });
    expect(names(run(g, deep, { type: "cancel" }))).toEqual(["a1", "a2"]);
    expect(names(run(g, deep, { type: "delete" }, { type: "delete" }))).toEqual(["a", "b"]);
  });
  it("where groups are answers too, an open group stands first on its level", () => {
    const any = { ...TREE, leaves_only: false } as Question;
    const h = given("x", [any]);
    const open = run(h, start(h, {}, false), { type: "label", label: "a" });
    expect(digits(open, h).map((l) => l.id)).toEqual(["a", "a1", "a2"]);
    expect(slotOf(run(h, open, { type: "label", label: "a" }).doc, "x").answer).toEqual({ kind: "choice", labels: ["a"] });
  });
});

describe("links", () => {
  it("are kept by a span when its label or its borders change", () => {
    const linked: Question = { ...ENTITIES, knowledge: "0".repeat(64) } as Question;
    const g = given("Anna met Bob", [linked]);
    const made = run(g, start(g, {}, false), { type: "label", label: "per" }, { type: "walk", by: 1 }, { type: "link", link: "Q1" });
    const after = run(g, made, { type: "label", label: "org" }, { type: "move-borders" }, { type: "border", end: "end", by: 1 });
    expect(spansOf(after.doc, "e")[0]).toMatchObject({ label: "org", end: 8, link: "Q1" });
    expect(run(g, after, { type: "undo" }, { type: "undo" }, { type: "undo" }).doc["e"]?.answer).toMatchObject({ spans: [{ label: "per", start: 0 }] });
    const plain = given("Anna met Bob", [ENTITIES]);
    const none = run(plain, start(plain, {}, false), { type: "label", label: "per" }, { type: "walk", by: 1 });
    expect(run(plain, none, { type: "link", link: "Q1" })).toBe(none);
  });
});

describe("suggestions of a model", () => {
  const spans: Span[] = [
    { id: "m1", label: "per", start: 0, end: 4, score: 0.9 },
    { id: "m2", label: "org", start: 9, end: 12, score: 0.3 },
  ];
  const g = given("Anna met Bob in Oslo", [ENTITIES, TOPIC]);
  const begin = start(g, { e: { kind: "span", spans }, t: { kind: "choice", labels: ["a"] } }, true);

  it("are walked through lowest confidence first", () => {
    expect(byDoubt(begin, g).map((x) => x.span.id)).toEqual(["m2", "m1"]);
    expect(run(g, begin, { type: "walk", by: 1 }).picked).toBe("m2");
  });
  it("stop being suggestions when confirmed or touched, and not before", () => {
    const confirmed = run(g, begin, { type: "walk", by: 1 }, { type: "confirm" });
    expect(slotOf(confirmed.doc, "e").suggested).toEqual(["m1"]);
    const relabelled = run(g, begin, { type: "pick", span: "m1" }, { type: "label", label: "org" });
    expect(slotOf(relabelled.doc, "e").suggested).toEqual(["m2"]);
    expect(spansOf(relabelled.doc, "e")[0]?.score).toBeUndefined();
    const moved = run(g, begin, { type: "move", by: 3 });
    expect(slotOf(moved.doc, "e").suggested).toEqual(["m1", "m2"]);
  });
  it("of a choice are confirmed by their digit, and removed by pressing it again", () => {
    const once = run(g, begin, { type: "focus", question: "t" }, { type: "label", label: "a" });
    expect(slotOf(once.doc, "t")).toEqual({ answer: { kind: "choice", labels: ["a"] }, suggested: [] });
    expect(slotOf(run(g, once, { type: "label", label: "a" }).doc, "t").answer).toBeNull();
  });
});

describe("what is sent", () => {
  it("names required questions that still need an answer, and only those that are asked", () => {
    const g = given("x");
    const begin = start(g, {}, false);
    expect(missing(ALL, begin.doc).map((q) => q.id)).toEqual(["t", "x"]);
    const b = run(g, begin, { type: "focus", question: "t" }, { type: "label", label: "b" });
    expect(missing(ALL, b.doc).map((q) => q.id)).toEqual(["w", "x"]);
  });
  it("leaves out answers that are no longer asked for, and says that there are no spans", () => {
    const g = given("x");
    const text: Answer = { kind: "text", text: "because" };
    let s = run(g, start(g, {}, false), { type: "focus", question: "t" }, { type: "label", label: "b" }, { type: "answer", question: "w", answer: text });
    expect(answersOf(ALL, s.doc)["w"]).toEqual(text);
    s = run(g, s, { type: "label", label: "a" });
    expect(answersOf(ALL, s.doc)["w"]).toBeUndefined();
    expect(answersOf(ALL, s.doc)["e"]).toEqual({ kind: "span", spans: [] });
  });
});

describe("segments", () => {
  it("cover the paragraph without gaps, and every span ends exactly once", () => {
    const spans = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 9 })), { maxLength: 8 });
    fc.assert(
      fc.property(spans, (pairs) => {
        const marked = pairs.map(([s, n], i) => ({ question: "n", suggested: false, span: { id: `x${String(i)}`, label: "per", start: s, end: Math.min(s + n, 40) } }));
        const covers = lanes(marked);
        const found = segments({ start: 0, end: 40 }, covers);
        expect(found[0]?.start).toBe(0);
        expect(found.at(-1)?.end).toBe(40);
        for (let i = 1; i < found.length; i += 1) expect(found[i]?.start).toBe(found[i - 1]?.end);
        expect(found.flatMap((s) => s.ends.map((e) => e.span.id)).sort()).toEqual(marked.map((m) => m.span.id).sort());
        for (const a of covers) {
          for (const b of covers) {
            if (a !== b && a.lane === b.lane) expect(a.span.end <= b.span.start || b.span.end <= a.span.start).toBe(true);
          }
        }
      }),
    );
  });
});

describe("active time", () => {
  it("counts short pauses in full and two seconds of a long one", () => {
    let t = active(STILL, 1_000, 15_000);
    t = active(t, 11_000, 15_000);
    expect(t).toMatchObject({ active: 10_000, idle: 0 });
    t = active(t, 71_000, 15_000);
    expect(t).toMatchObject({ active: 12_000, idle: 58_000 });
  });
  it("counts nothing while the page is away", () => {
    let t = away(active(active(STILL, 0, 15_000), 3_000, 15_000), 4_000, 15_000);
    t = active(t, 900_000, 15_000);
    t = active(t, 901_000, 15_000);
    expect(t).toMatchObject({ active: 5_000, idle: 0 });
  });
});
