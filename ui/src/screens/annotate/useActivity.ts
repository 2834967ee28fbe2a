/** Active time on one thing: pointer, keys and scrolling while the page is seen and focused. */
import { useEffect, useRef, type RefObject } from "react";

import { STILL, active, away, type Activity } from "../../editor/time";

/** `subject` is what the time is spent on; with another one the count begins anew. */
export function useActivity(subject: unknown, idleAfterMs: number): RefObject<Activity> {
  const activity = useRef<Activity>(STILL);
  useEffect(() => {
    const seen = (): void => {
      if (document.visibilityState === "visible" && document.hasFocus()) activity.current = active(activity.current, performance.now(), idleAfterMs);
    };
    const left = (): void => {
      activity.current = away(activity.current, performance.now(), idleAfterMs);
    };
    activity.current = STILL;
    seen();
    const events = ["pointermove", "pointerdown", "keydown", "wheel", "scroll"] as const;
    for (const name of events) window.addEventListener(name, seen, { passive: true, capture: true });
    window.addEventListener("blur", left);
    document.addEventListener("visibilitychange", left);
    return () => {
      for (const name of events) window.removeEventListener(name, seen, { capture: true });
      window.removeEventListener("blur", left);
      document.removeEventListener("visibilitychange", left);
    };
  }, [subject, idleAfterMs]);
  return activity;
}
