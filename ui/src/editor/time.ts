/**
 * Active time: activity of pointer, keys and scrolling while the page is seen and focused. A pause shorter than the
 * threshold is work (reading, thinking) and counts in full; of a longer one 2 s count and the rest is idle.
 */
export interface Activity {
  readonly active: number;
  readonly idle: number;
  readonly last: number | null;
}

export const STILL: Activity = { active: 0, idle: 0, last: null };
const COUNTED_OF_A_PAUSE_MS = 2_000;

/** Something happened at `now` (ms of a monotonic clock). */
export function active(before: Activity, now: number, idleAfterMs: number): Activity {
  if (before.last === null) return { ...before, last: now };
  const gap = Math.max(0, now - before.last);
  if (gap <= idleAfterMs) return { active: before.active + gap, idle: before.idle, last: now };
  return {
    active: before.active + COUNTED_OF_A_PAUSE_MS,
    idle: before.idle + gap - COUNTED_OF_A_PAUSE_MS,
    last: now,
  };
}

/** The page was hidden or lost focus: time until it is back counts for nothing. */
export function away(before: Activity, now: number, idleAfterMs: number): Activity {
  return { ...active(before, now, idleAfterMs), last: null };
}
