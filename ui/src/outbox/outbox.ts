/**
 * Work on its way to the server. A submission is on this computer's disk before the screen moves on, and leaves it only
 * when the server has acknowledged it; its id makes sending it twice harmless. Also keeps drafts for after a crash.
 */
import { openDB, type IDBPDatabase } from "idb";

import type { Doc } from "../editor/document";
import type { Answers } from "../editor/types";

export interface Parcel {
  readonly id: string;
  readonly project: number;
  readonly asset: number;
  readonly kind: "annotation" | "skip";
  readonly body: Readonly<Record<string, unknown>>;
  readonly at: number;
}

export interface Refused {
  readonly parcel: Parcel;
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export interface StoredDraft {
  readonly doc: Doc;
  readonly revision: number;
  readonly at: number;
}

export type Outcome = { ok: true } | { ok: false; retry: boolean; status: number; code: string; message: string; hint: string };
export type Send = (parcel: Parcel) => Promise<Outcome>;

export interface OutboxState {
  readonly waiting: number;
  /** The last attempt failed and will be repeated. */
  readonly trouble: "offline" | "signed-out" | null;
  readonly refused: readonly Refused[];
}

const LONGEST_WAIT_MS = 15_000;

interface Shelves {
  outbox: { key: string; value: Parcel };
  refused: { key: string; value: Refused };
  drafts: { key: string; value: StoredDraft };
}

export class Outbox {
  private readonly db: Promise<IDBPDatabase<Shelves>>;
  private listeners = new Set<() => void>();
  private state: OutboxState = { waiting: 0, trouble: null, refused: [] };
  private timer: ReturnType<typeof setTimeout> | undefined;
  private pumping: Promise<void> | null = null;
  private again = false;
  private wait = 1_000;

  /** `name` keeps the work of different people on one computer apart. */
  constructor(
    name: string,
    private readonly send: Send,
  ) {
    this.db = openDB<Shelves>(`labelwright-${name}`, 1, {
      upgrade(db) {
        for (const shelf of ["outbox", "refused", "drafts"] as const) db.createObjectStore(shelf);
      },
    });
    if (typeof window !== "undefined") window.addEventListener("online", () => void this.flush());
  }

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  snapshot = (): OutboxState => this.state;

  /** Put a parcel on disk; when this resolves it survives a crash. Sending begins by itself. */
  async post(parcel: Parcel): Promise<void> {
    const db = await this.db;
    const transaction = db.transaction(["outbox", "drafts"], "readwrite", { durability: "strict" });
    await transaction.objectStore("outbox").put(parcel, `${String(parcel.at).padStart(16, "0")}:${parcel.id}`);
    await transaction.objectStore("drafts").delete(draftKey(parcel.project, parcel.asset));
    await transaction.done;
    await this.refresh();
    void this.flush();
  }

  /** Send everything that waits, oldest first. */
  async flush(): Promise<void> {
    if (this.pumping !== null) {
      this.again = true;
      return this.pumping;
    }
    clearTimeout(this.timer);
    this.pumping = this.pump().finally(() => {
      this.pumping = null;
    });
    await this.pumping;
    if (this.again) {
      this.again = false;
      await this.flush();
    }
  }

  private async pump(): Promise<void> {
    const db = await this.db;
    for (;;) {
      const key = (await db.getAllKeys("outbox", null, 1))[0];
      const parcel = key === undefined ? undefined : await db.get("outbox", key);
      if (key === undefined || parcel === undefined) break;
      const outcome = await this.send(parcel);
      if (!outcome.ok && outcome.retry) {
        this.update({ trouble: outcome.status === 401 ? "signed-out" : "offline" });
        this.timer = setTimeout(() => void this.flush(), this.wait);
        this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
        await this.refresh();
        return;
      }
      this.wait = 1_000;
      const transaction = db.transaction(["outbox", "refused"], "readwrite");
      if (!outcome.ok) {
        // Not lost: it stays here for the person to look at.
        const { status, code, message, hint } = outcome;
        await transaction.objectStore("refused").put({ parcel, status, code, message, hint }, parcel.id);
      }
      await transaction.objectStore("outbox").delete(key);
      await transaction.done;
      await this.refresh();
    }
    this.update({ trouble: null });
  }

  async dismiss(id: string): Promise<void> {
    await (await this.db).delete("refused", id);
    await this.refresh();
  }

  /**
   * Take the newest parcel of a project out again before it is sent, as a draft; null when none waits. Should the server have it all the same (its answer was lost), it refuses the next version until the
   * person has chosen.
   */
  async retract(project: number): Promise<Parcel | null> {
    // Never one that is being sent right now: whether it arrives is not known yet.
    while (this.pumping !== null) await this.pumping;
    const db = await this.db;
    const transaction = db.transaction(["outbox", "drafts"], "readwrite", { durability: "strict" });
    const keys = await transaction.objectStore("outbox").getAllKeys();
    const parcels = await transaction.objectStore("outbox").getAll();
    const at = parcels.findLastIndex((each) => each.project === project);
    const [key, parcel] = [keys[at], parcels[at]];
    if (key !== undefined && parcel !== undefined) {
      await transaction.objectStore("outbox").delete(key);
      if (parcel.kind === "annotation") await transaction.objectStore("drafts").put(draftOf(parcel), draftKey(project, parcel.asset));
    }
    await transaction.done;
    await this.refresh();
    return parcel ?? null;
  }

  /** A refused parcel becomes the draft of its asset again, so that it can be corrected and handed in anew. */
  async reopen(id: string): Promise<void> {
    const db = await this.db;
    const refused = await db.get("refused", id);
    if (refused === undefined) return;
    const { parcel } = refused;
    const transaction = db.transaction(["refused", "drafts"], "readwrite", { durability: "strict" });
    await transaction.objectStore("drafts").put(draftOf(parcel), draftKey(parcel.project, parcel.asset));
    await transaction.objectStore("refused").delete(id);
    await transaction.done;
    await this.refresh();
  }

  /** Hand a refused parcel in again, as the next version of what is stored; the same work under a new id. */
  async replace(id: string, newId: string, parentId: string | null): Promise<void> {
    const db = await this.db;
    const refused = await db.get("refused", id);
    if (refused === undefined) return;
    const { parcel } = refused;
    const at = Date.now();
    const again: Parcel = { ...parcel, id: newId, at, body: { ...parcel.body, id: newId, parent_id: parentId } };
    const transaction = db.transaction(["refused", "outbox"], "readwrite", { durability: "strict" });
    await transaction.objectStore("outbox").put(again, `${String(at).padStart(16, "0")}:${newId}`);
    await transaction.objectStore("refused").delete(id);
    await transaction.done;
    await this.refresh();
    void this.flush();
  }

  async refresh(): Promise<void> {
    const db = await this.db;
    this.update({ waiting: await db.count("outbox"), refused: await db.getAll("refused") });
  }

  /** Assets whose answers wait to be sent: the queue must not show them again. */
  async assetsOnTheirWay(project: number): Promise<number[]> {
    return (await (await this.db).getAll("outbox")).filter((p) => p.project === project).map((p) => p.asset);
  }

  async saveDraft(project: number, asset: number, draft: StoredDraft): Promise<void> {
    await (await this.db).put("drafts", draft, draftKey(project, asset));
  }

  async draft(project: number, asset: number): Promise<StoredDraft | undefined> {
    return (await this.db).get("drafts", draftKey(project, asset));
  }

  async dropDraft(project: number, asset: number): Promise<void> {
    await (await this.db).delete("drafts", draftKey(project, asset));
  }

  private update(changes: Partial<OutboxState>): void {
    this.state = { ...this.state, ...changes };
    for (const listener of this.listeners) listener();
  }
}

function draftOf(parcel: Parcel): StoredDraft {
  const answers = Object.entries((parcel.body["answers"] ?? {}) as Answers);
  const doc: Doc = Object.fromEntries(answers.map(([question, answer]) => [question, { answer, suggested: [] }]));
  // Newer than any draft the server may hold of this asset.
  return { doc, revision: Math.floor(Date.now() / 1000), at: Date.now() };
}

function draftKey(project: number, asset: number): string {
  return `${String(project)}:${String(asset)}`;
}
