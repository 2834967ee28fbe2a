import "fake-indexeddb/auto";

import { describe, expect, it } from "vitest";

import { Outbox, type Outcome, type Parcel } from "./outbox";

const parcel = (id: string, at: number): Parcel => ({ id, project: 1, asset: at, kind: "annotation", body: {}, at });
const failed = (status: number, retry: boolean): Outcome => ({ ok: false, retry, status, code: "x", message: "m", hint: "" });
let names = 0;
const fresh = () => `test-${String((names += 1))}`;

describe("the outbox", () => {
  it("sends in order and keeps nothing that was acknowledged", async () => {
    const sent: string[] = [];
    const box = new Outbox(fresh(), (p) => {
      sent.push(p.id);
      return Promise.resolve({ ok: true });
    });
    await Promise.all([box.post(parcel("a", 1)), box.post(parcel("b", 2)), box.post(parcel("c", 3))]);
    await box.flush();
    expect(sent).toEqual(["a", "b", "c"]);
    expect(box.snapshot()).toMatchObject({ waiting: 0, trouble: null });
  });
  it("keeps everything while the server is away, and a new page finds it again", async () => {
    const name = fresh();
    const offline = new Outbox(name, () => Promise.resolve(failed(0, true)));
    await offline.post(parcel("a", 1));
    await offline.post(parcel("b", 2));
    await offline.flush();
    expect(offline.snapshot()).toMatchObject({ waiting: 2, trouble: "offline" });
    const sent: string[] = [];
    const reloaded = new Outbox(name, (p) => {
      sent.push(p.id);
      return Promise.resolve({ ok: true });
    });
    expect(await reloaded.assetsOnTheirWay(1)).toEqual([1, 2]);
    await reloaded.flush();
    expect(sent).toEqual(["a", "b"]);
  });
  it("sets aside what the server refuses, with the reason, and goes on", async () => {
    const box = new Outbox(fresh(), (p) => Promise.resolve(p.id === "bad" ? failed(409, false) : { ok: true }));
    await box.post(parcel("bad", 1));
    await box.post(parcel("good", 2));
    await box.flush();
    expect(box.snapshot().waiting).toBe(0);
    expect(box.snapshot().refused.map((r) => [r.parcel.id, r.status])).toEqual([["bad", 409]]);
    await box.dismiss("bad");
    expect(box.snapshot().refused).toEqual([]);
  });
  it("opens refused work again as a draft, or hands it in as the next version", async () => {
    const sent: Parcel[] = [];
    const box = new Outbox(fresh(), (p) => {
      sent.push(p);
      return Promise.resolve(p.body["parent_id"] === "theirs" ? { ok: true } : failed(409, false));
    });
    const answers = { t: { kind: "choice", labels: ["a"] } };
    for (const id of ["x", "y"]) await box.post({ ...parcel(id, id === "x" ? 1 : 2), body: { id, answers, parent_id: null } });
    await box.flush();
    await box.reopen("x");
    expect((await box.draft(1, 1))?.doc).toEqual({ t: { answer: answers.t, suggested: [] } });
    await box.replace("y", "z", "theirs");
    await box.flush();
    expect(sent.at(-1)).toMatchObject({ id: "z", asset: 2, body: { id: "z", parent_id: "theirs", answers } });
    expect(box.snapshot()).toMatchObject({ waiting: 0, refused: [] });
  });
  it("gives back the newest answer that was not sent yet", async () => {
    const box = new Outbox(fresh(), () => Promise.resolve(failed(0, true)));
    const answers = { t: { kind: "choice", labels: ["a"] } };
    await box.post({ ...parcel("a", 1), body: { answers } });
    await box.post({ ...parcel("b", 2), body: { answers } });
    await box.flush();
    expect((await box.retract(1))?.id).toBe("b");
    expect((await box.draft(1, 2))?.doc).toEqual({ t: { answer: answers.t, suggested: [] } });
    expect(await box.retract(9)).toBeNull();
    expect(box.snapshot().waiting).toBe(1);
  });
  it("keeps drafts until their asset is submitted", async () => {
    const box = new Outbox(fresh(), () => Promise.resolve({ ok: true }));
    const draft = { doc: { t: { answer: null, suggested: [] } }, revision: 3, at: 9 };
    await box.saveDraft(1, 7, draft);
    expect(await box.draft(1, 7)).toEqual(draft);
    await box.post(parcel("a", 7));
    expect(await box.draft(1, 7)).toBeUndefined();
  });
});
