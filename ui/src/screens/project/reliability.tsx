/** A reliability curve: dots for bins of reviews, beside the diagonal where confidence means what it says. */
import type { Noun } from "../../api/client";
import { t } from "../../strings";

type Bin = Noun<"Bin">;
const SIZE = 260;
const LEFT = 54;
const BOTTOM = 34;
const percent = (x: number): string => `${String(Math.round(100 * x))}%`;

export function Reliability({ before, after }: { before: readonly Bin[]; after: readonly Bin[] }) {
  const x = (p: number): number => LEFT + p * SIZE;
  const y = (p: number): number => 8 + (1 - p) * SIZE;
  const line = (bins: readonly Bin[]): string => bins.map((b) => `${x(b.confidence).toFixed(1)},${y(b.accuracy).toFixed(1)}`).join(" ");
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  return (
    <figure style={{ margin: 0 }}>
      <svg viewBox={`0 0 ${String(LEFT + SIZE + 12)} ${String(8 + SIZE + BOTTOM)}`} style={{ width: "100%", maxWidth: 380 }} role="img" aria-label={t("trust.chart")}>
        {ticks.map((p) => (
          <g key={p} stroke="var(--lw-line)" fill="var(--lw-ink2)" fontSize={10}>
            <line x1={x(0)} x2={x(1)} y1={y(p)} y2={y(p)} />
            <line x1={x(p)} x2={x(p)} y1={y(0)} y2={y(1)} />
            <text x={LEFT - 5} y={y(p) + 3} textAnchor="end" stroke="none">{percent(p)}</text>
            <text x={x(p)} y={y(0) + 13} textAnchor="middle" stroke="none">{percent(p)}</text>
          </g>
        ))}
        <text x={x(0.5)} y={y(0) + 28} textAnchor="middle" fontSize={11} fill="var(--lw-ink)">{t("trust.xAxis")}</text>
        <text x={10} y={y(0.5)} textAnchor="middle" fontSize={11} fill="var(--lw-ink)" transform={`rotate(-90 10 ${String(y(0.5))})`}>{t("trust.yAxis")}</text>
        <line x1={x(0)} y1={y(0)} x2={x(1)} y2={y(1)} stroke="var(--lw-line3)" strokeDasharray="2 4" />
        <polyline points={line(before)} fill="none" stroke="var(--lw-warn)" strokeWidth={1.5} strokeDasharray="5 4" />
        {before.map((b) => <rect key={b.confidence} x={x(b.confidence) - 3.5} y={y(b.accuracy) - 3.5} width={7} height={7} fill="var(--lw-panel)" stroke="var(--lw-warn)" strokeWidth={1.5} />)}
        <polyline points={line(after)} fill="none" stroke="var(--lw-accent)" strokeWidth={2} />
        {after.map((b) => <circle key={b.confidence} cx={x(b.confidence)} cy={y(b.accuracy)} r={4} fill="var(--lw-accent)" />)}
      </svg>
      <figcaption className="lw-row lw-dim">
        <span><Key dashed colour="var(--lw-warn)" /> {t("trust.raw")}</span>
        <span><Key colour="var(--lw-accent)" /> {t("trust.calibrated")}</span>
        <span><Key dotted colour="var(--lw-line3)" /> {t("trust.perfect")}</span>
      </figcaption>
      <details>
        <summary>{t("trust.table")}</summary>
        <div className="lw-two">
          {[{ name: t("trust.raw"), bins: before }, { name: t("trust.calibrated"), bins: after }].map((side) => (
            <table key={side.name} className="lw-table lw-number">
              <caption className="lw-dim">{side.name}</caption>
              <thead><tr><th>{t("trust.bin")}</th><th>{t("trust.right")}</th><th>{t("trust.n")}</th></tr></thead>
              <tbody>{side.bins.map((b) => <tr key={b.confidence}><td>{b.confidence.toFixed(3)}</td><td>{percent(b.accuracy)}</td><td>{b.n}</td></tr>)}</tbody>
            </table>
          ))}
        </div>
      </details>
    </figure>
  );
}

function Key({ colour, dashed = false, dotted = false }: { colour: string; dashed?: boolean; dotted?: boolean }) {
  return (
    <svg width={22} height={10} aria-hidden>
      <line x1={0} x2={22} y1={5} y2={5} stroke={colour} strokeWidth={2} strokeDasharray={dashed ? "5 4" : dotted ? "2 4" : undefined} />
      {dashed && <rect x={7.5} y={1.5} width={7} height={7} fill="var(--lw-panel)" stroke={colour} strokeWidth={1.5} />}
      {!dashed && !dotted && <circle cx={11} cy={5} r={4} fill={colour} />}
    </svg>
  );
}
