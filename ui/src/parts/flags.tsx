/** What deserves a second look in a text: said in words, marked in the text, and hidden characters made visible on demand. */
import { Button } from "@mantine/core";
import { Fragment, useMemo } from "react";

import type { Noun } from "../api/client";
import { OffsetTable } from "../editor/offsets";
import { t, type Key } from "../strings";

export type Flag = Noun<"Flag">;

const NAMES: Readonly<Record<Flag["kind"], Key>> = {
  instructions: "flags.instructions",
  role_marks: "flags.role_marks",
  invisible: "flags.invisible",
  mixed_scripts: "flags.mixed_scripts",
};

export function FlagBadge({ kinds }: { kinds: readonly Flag["kind"][] | null | undefined }) {
  if (!kinds || kinds.length === 0) return null;
  return <span className="lw-flag-badge" title={kinds.map((kind) => t(NAMES[kind])).join("; ")}>{t("flags.badge")}</span>;
}

export function FlagNotice({ flags, shown, show }: { flags: readonly Flag[]; shown: boolean; show: (on: boolean) => void }) {
  if (flags.length === 0) return null;
  return (
    <section className="lw-flag-notice" aria-label={t("flags.title")}>
      <div className="lw-row">
        <span className="lw-flag-badge">{t("flags.badge")}</span>
        <span className="lw-grow">{t("flags.hint")}</span>
        {flags.some((flag) => flag.kind === "invisible") && (
          <Button size="compact-xs" variant={shown ? "filled" : "default"} aria-pressed={shown} onClick={() => { show(!shown); }}>{t("flags.reveal")}</Button>
        )}
      </div>
      <ul className="lw-problems">
        {flags.slice(0, 5).map((flag, i) => (
          <li key={i}>{t(NAMES[flag.kind])}{flag.field !== "" && flag.field !== undefined ? ` (${flag.field})` : ""}: <q dir="auto">{flag.note}</q></li>
        ))}
        {flags.length > 5 && <li>{t("flags.more", { n: flags.length - 5 })}</li>}
      </ul>
    </section>
  );
}

/** A text with its flagged places marked; for screens that only show it. */
export function FlaggedText({ text, flags, reveal }: { text: string; flags: readonly Flag[]; reveal: boolean }) {
  const pieces = useMemo(() => cut(text, flags), [text, flags]);
  if (flags.length === 0) return text;
  return pieces.map((piece, i) =>
    piece.flag === null ? <Fragment key={i}>{piece.text}</Fragment> : (
      <span key={i} className="lw-flagged" data-hidden={reveal && piece.flag.kind === "invisible" ? piece.flag.note : undefined}>{piece.text}</span>
    ),
  );
}

function cut(text: string, flags: readonly Flag[]): { text: string; flag: Flag | null }[] {
  const table = new OffsetTable(text);
  const found: { text: string; flag: Flag | null }[] = [];
  let at = 0;
  for (const flag of [...flags].filter((f) => (f.field ?? "") === "").sort((a, b) => a.start - b.start)) {
    if (flag.start < at) continue;
    found.push({ text: table.slice(at, flag.start), flag: null }, { text: table.slice(flag.start, flag.end), flag });
    at = flag.end;
  }
  found.push({ text: table.slice(at, table.length), flag: null });
  return found;
}
