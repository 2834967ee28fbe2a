/** The hand of assets: what is shown now, what is prefetched behind it, and what was left without submitting. */
import { useCallback, useEffect, useRef, useState } from "react";

import { api, mustBe, type Noun } from "../../api/client";
import type { Outbox } from "../../outbox/outbox";

export type Turn = Noun<"Turn">;

const AHEAD = 4;
const LEFT = 10;

export interface Queue {
  readonly turn: Turn | null;
  /** What comes after it, already here. */
  readonly ahead: readonly Turn[];
  readonly empty: { reason: string; message: string } | null;
  readonly error: unknown;
  readonly loading: boolean;
  /** The asset is answered or skipped: on to the next one. */
  readonly leave: (asset: number) => void;
  readonly walk: (by: 1 | -1) => void;
  readonly show: (turn: Turn) => void;
  /** One of the last assets that were left. */
  readonly recall: (asset: number) => Turn | undefined;
  readonly refill: () => void;
  /** Give back what is only prefetched and take anew: the model has learned, so the order and the suggestions changed. */
  readonly renew: () => void;
}

export function useQueue(project: number, outbox: Outbox, first: number | null): Queue {
  const [hand, setHand] = useState<readonly Turn[]>([]);
  const [at, setAt] = useState(0);
  const [empty, setEmpty] = useState<Queue["empty"]>(null);
  const [error, setError] = useState<unknown>(null);
  const [loading, setLoading] = useState(true);
  const held = useRef<readonly Turn[]>([]);
  const gone = useRef(new Set<number>());
  const busy = useRef(false);
  const again = useRef(false);
  const left = useRef<readonly Turn[]>([]);
  const place = useRef(0);
  place.current = at;

  const refill = useCallback(async () => {
    // Asked for while asking: once more afterwards, so that fast work never runs the hand dry.
    again.current = busy.current;
    if (busy.current || held.current.length >= AHEAD) return;
    busy.current = true;
    // Only what is left while this request runs could come back by mistake.
    gone.current.clear();
    setLoading(true);
    try {
      // With nothing left to show, what is on its way goes first: then the server can say why there is nothing.
      if (held.current.length === 0) await outbox.flush();
      const waiting = await outbox.assetsOnTheirWay(project);
      const hold = [...new Set([...held.current.map((turn) => turn.asset.id), ...waiting])];
      const found = await mustBe<"Hand">(
        api.POST("/api/projects/{project_id}/take", {
          params: { path: { project_id: project } },
          body: { n: AHEAD - held.current.length, hold: hold.slice(-200) },
        }),
      );
      const fresh = found.turns.filter((turn) => !gone.current.has(turn.asset.id));
      held.current = [...held.current, ...fresh.filter((turn) => !held.current.some((each) => each.asset.id === turn.asset.id))];
      setHand(held.current);
      setEmpty(found.turns.length === 0 && found.reason !== "" ? { reason: found.reason, message: found.message } : null);
      setError(null);
      if (held.current.length === 0 && found.reason === "") again.current = true;
    } catch (failure) {
      setError(failure);
    } finally {
      busy.current = false;
      setLoading(false);
    }
    if (again.current) setTimeout(() => void refillRef.current(), held.current.length === 0 ? 300 : 0);
  }, [project, outbox]);
  const refillRef = useRef(refill);
  refillRef.current = refill;

  const show = useCallback((turn: Turn) => {
    gone.current.delete(turn.asset.id);
    held.current = [turn, ...held.current.filter((each) => each.asset.id !== turn.asset.id)];
    setHand(held.current);
    setAt(0);
    setEmpty(null);
    setError(null);
  }, []);

  useEffect(() => {
    if (first === null) {
      void refill();
      return;
    }
    mustBe<"Turn">(api.POST("/api/projects/{project_id}/assets/{asset_id}/open", { params: { path: { project_id: project, asset_id: first } } }))
      .then(show, setError)
      .finally(() => void refill());
  }, [first, project, refill, show]);

  useEffect(() => {
    // Whatever is held goes back to the queue at once when the page goes away; drafts stay on this computer.
    const release = (): void => {
      const ids = held.current.map((turn) => turn.asset.id);
      if (ids.length > 0) navigator.sendBeacon(`/api/projects/${String(project)}/release`, JSON.stringify({ asset_ids: ids }));
    };
    window.addEventListener("pagehide", release);
    const beat = setInterval(() => {
      const ids = held.current.map((turn) => turn.asset.id);
      if (ids.length > 0 && !document.hidden) {
        void api.POST("/api/projects/{project_id}/renew", { params: { path: { project_id: project } }, body: { asset_ids: ids } }).catch(() => undefined);
      }
    }, 60_000);
    return () => {
      window.removeEventListener("pagehide", release);
      clearInterval(beat);
      release();
    };
  }, [project]);

  useEffect(() => {
    // After a failure the server may be back: try again every few seconds while nothing is left to show.
    if (error === null || hand.length > 1) return;
    const timer = setTimeout(() => void refill(), 3_000);
    return () => {
      clearTimeout(timer);
    };
  }, [error, hand.length, refill]);

  const leave = useCallback(
    (asset: number) => {
      gone.current.add(asset);
      const turn = held.current.find((each) => each.asset.id === asset);
      if (turn !== undefined) left.current = [...left.current.filter((each) => each.asset.id !== asset), turn].slice(-LEFT);
      held.current = held.current.filter((turn) => turn.asset.id !== asset);
      setHand(held.current);
      setAt(0);
      void refill();
    },
    [refill],
  );
  const renew = useCallback(() => {
    // What the person looks at stays, wherever in the hand it is.
    const now = held.current[Math.min(place.current, held.current.length - 1)];
    const ahead = held.current.filter((turn) => turn !== now);
    if (now === undefined || ahead.length === 0) return;
    navigator.sendBeacon(`/api/projects/${String(project)}/release`, JSON.stringify({ asset_ids: ahead.map((turn) => turn.asset.id) }));
    held.current = [now];
    setHand(held.current);
    setAt(0);
    void refill();
  }, [project, refill]);
  const recall = useCallback((asset: number) => left.current.find((each) => each.asset.id === asset), []);
  const walk = useCallback((by: 1 | -1) => {
    setAt((now) => Math.max(0, Math.min(now + by, held.current.length - 1)));
  }, []);

  return {
    turn: hand[Math.min(at, hand.length - 1)] ?? null,
    ahead: hand.slice(Math.min(at, hand.length - 1) + 1),
    empty: hand.length === 0 ? empty : null,
    error: hand.length === 0 ? error : null,
    loading: loading && hand.length === 0,
    leave,
    walk,
    show,
    recall,
    refill: () => void refill(),
    renew,
  };
}
