import { inkOn } from "../palette";

/** A label as a chip: colour, name and, where it can be pressed, its digit. Dashed while only a model says so. */
export function LabelChip({ name, colour, suggested = false, muted = false }: { name: string; colour: string; suggested?: boolean; muted?: boolean }) {
  return (
    <span className={`lw-chip${suggested ? " lw-dashed" : ""}${muted ? " lw-muted" : ""}`} style={{ borderColor: colour }}>
      <span className="lw-swatch" style={{ background: colour, color: inkOn(colour) }} aria-hidden />
      {name}
    </span>
  );
}

/** A confidence as a number and a neutral bar; never by hue alone. */
export function Confidence({ value }: { value: number | null | undefined }) {
  if (value === null || value === undefined) return <span className="lw-dim">–</span>;
  return (
    <span className="lw-confidence" title={value.toFixed(3)}>
      <span className="lw-bar" aria-hidden>
        <span style={{ width: `${String(Math.round(value * 100))}%` }} />
      </span>
      <span className="lw-number">{Math.round(value * 100)}%</span>
    </span>
  );
}
