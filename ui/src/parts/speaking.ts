/** A screen says what its project is of, before anything in it is drawn; when it goes, texts are spoken of again. */
import { useEffect, useRef } from "react";

import { speakOf, type Spoken } from "../strings";

let owner: unknown = null;

export function useSpeaking(modality: string | undefined): void {
  const me = useRef<unknown>(null);
  me.current ??= {};
  const what: Spoken = modality === "image" ? "image" : "text";
  if (modality !== undefined) {
    owner = me.current;
    speakOf(what);
  }
  useEffect(() => {
    const mine = me.current;
    // The next screen is drawn before this one is gone; what that one said stays.
    return () => {
      if (owner === mine) speakOf("text");
    };
  }, []);
}
