import { createContext, useContext } from "react";

import type { Noun } from "../api/client";

export type Me = Noun<"Me">;

export const MeContext = createContext<Me | null>(null);

/** The signed-in person; only inside the signed-in part of the app. */
export function useMe(): Me {
  const me = useContext(MeContext);
  if (me === null) throw new Error("nobody is signed in here");
  return me;
}
