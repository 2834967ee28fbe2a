/** The image and what is drawn on it: turns the pointer into events of the editor, and moves the camera. */
import { ActionIcon, Button, NativeSelect, Slider } from "@mantine/core";
import { useCallback, useEffect, useImperativeHandle, useLayoutEffect, useMemo, useRef, useState, type Ref } from "react";

import { fitBounds, panBy, toImage, toScreen, zoomAt, type Camera } from "../../../editor/image/camera";
import type { Bounds } from "../../../editor/image/geometry";
import type { Event, Given, Pointer, State } from "../../../editor/image/state";
import { scenes } from "../../../editor/image/show";
import type { Point } from "../../../editor/types";
import { keyOf } from "../../../keys";
import { t } from "../../../strings";
import type { Turn } from "../queue";
import { borrow, sourceOf } from "./pictures";

export interface StageControls {
  readonly fit: () => void;
  readonly zoom: (factor: number) => void;
  /** As large as fits. */
  readonly show: (at: Bounds) => void;
  /** Pan, only when it is out of sight. */
  readonly reveal: (at: Bounds) => void;
  /** The middle of what is seen, in image pixels. */
  readonly centre: () => Point;
  readonly scale: () => number;
  /** Whether the image can be seen. */
  readonly isShown: () => boolean;
}

interface Props {
  readonly ref: Ref<StageControls>;
  readonly project: number;
  readonly turn: Turn;
  readonly given: Given;
  readonly state: State;
  readonly dispatch: (event: Event) => void;
  readonly hint: string;
  /** Space is held: the pointer pans. */
  readonly panning: boolean;
  /** How many objects there are. */
  readonly count: number;
}

const WHEEL = "lw.image.wheel";
const OPACITY = "lw.image.opacity";
const WHEEL_MODES = ["auto", "zoom", "pan"] as const;
type WheelMode = (typeof WHEEL_MODES)[number];
/** Kept free around what is shown, in CSS pixels. */
const MARGIN = 24;

export function ImageStage({ ref, project, turn, given, state, dispatch, hint, panning, count }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const layers = useMemo(() => borrow(), []);
  const { renderer } = layers;
  const sceneOf = useMemo(() => scenes(given), [given]);
  const [loaded, setLoaded] = useState<"waiting" | "shown" | { readonly why: string }>("waiting");
  const [tries, setTries] = useState(0);
  const [zoomed, setZoomed] = useState(1);
  const [opacity, setOpacity] = useState(() => Number(localStorage.getItem(OPACITY) ?? "0.35"));
  const [wheel, setWheel] = useState<WheelMode>(() => WHEEL_MODES.find((each) => each === localStorage.getItem(WHEEL)) ?? "auto");
  const { extent } = given;

  /** Whether the whole image is shown: it goes on fitting when the window changes. */
  const fitting = useRef(true);
  const move = useCallback((camera: Camera) => {
    fitting.current = false;
    renderer.camera = camera;
    setZoomed(camera.scale);
  }, [renderer]);
  const fit = useCallback(() => {
    move(renderer.fitted());
    fitting.current = true;
  }, [move, renderer]);
  const zoom = useCallback((factor: number, at?: Point) => {
    const { view, camera } = renderer;
    move(zoomAt(camera, at ?? [view.width / 2, view.height / 2], factor, extent, view));
  }, [renderer, extent, move]);

  const latest = useRef(state);
  latest.current = state;
  const draw = useCallback(() => {
    renderer.show(sceneOf(latest.current, { opacity, scale: renderer.camera.scale }));
  }, [renderer, sceneOf, opacity]);

  useLayoutEffect(() => {
    const element = host.current;
    if (element !== null) layers.enter(element);
    return () => { layers.leave(); };
  }, [layers]);

  const drawn = useRef(draw);
  drawn.current = draw;
  useEffect(() => {
    let here = true;
    // The picture before stays until this one is decoded, without what was drawn on it; nothing can be drawn meanwhile.
    renderer.show({ ...sceneOf(latest.current, { opacity: 0, scale: 1 }), bare: true });
    renderer.open(sourceOf(project, turn)).then(
      (shown) => {
        if (!here || !shown) return;
        drawn.current();
        fit();
        renderer.settle();
        drawn.current();
        setLoaded("shown");
      },
      (error: unknown) => { if (here) setLoaded({ why: error instanceof Error ? error.message : String(error) }); },
    );
    return () => { here = false; };
  }, [renderer, sceneOf, project, turn, fit, tries]);

  const shown = loaded === "shown";
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const watcher = new ResizeObserver(() => {
      renderer.resize();
      if (shown && fitting.current) fit();
    });
    watcher.observe(element);
    return () => { watcher.disconnect(); };
  }, [renderer, shown, fit]);
  useLayoutEffect(() => { if (shown) draw(); }, [shown, draw, state, zoomed]);

  useImperativeHandle(ref, () => ({
    fit,
    zoom: (factor) => { zoom(factor); },
    show: (at) => { move(fitBounds(at, renderer.view, 4 * MARGIN)); },
    reveal: (at) => {
      const { camera, view } = renderer;
      const [left, top] = toScreen(camera, [at.minX, at.minY]);
      const [right, bottom] = toScreen(camera, [at.maxX, at.maxY]);
      const outside = right < MARGIN || bottom < MARGIN || left > view.width - MARGIN || top > view.height - MARGIN;
      if (outside) move(panBy(camera, view.width / 2 - (left + right) / 2, view.height / 2 - (top + bottom) / 2, extent, view));
    },
    centre: () => toImage(renderer.camera, [renderer.view.width / 2, renderer.view.height / 2]),
    scale: () => renderer.camera.scale,
    isShown: () => shown,
  }), [renderer, extent, fit, move, zoom, shown]);

  const onScreen = useCallback((event: { clientX: number; clientY: number }): Point => {
    const box = host.current?.getBoundingClientRect();
    return [event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0)];
  }, []);
  const pointer = (event: React.PointerEvent | React.MouseEvent): Pointer => ({
    at: toImage(renderer.camera, onScreen(event)),
    scale: renderer.camera.scale,
    shift: event.shiftKey,
    alt: event.altKey,
    mod: event.ctrlKey || event.metaKey,
  });

  /** The pointer that pans, and where it was; what is half drawn is left as it is. */
  const pan = useRef<{ readonly id: number; at: Point } | null>(null);
  const pressed = useRef<number | null>(null);
  const fingers = useRef(new Map<number, Point>());
  const [grabbing, setGrabbing] = useState(false);

  const down = (event: React.PointerEvent): void => {
    if (!shown) return;
    if (event.pointerType === "touch") fingers.current.set(event.pointerId, onScreen(event));
    // Not every pointer can be captured: one made by a script cannot.
    try { host.current?.setPointerCapture(event.pointerId); } catch { /* the window's own events do */ }
    if (event.button === 1 || (event.button === 0 && panning)) {
      event.preventDefault();
      pan.current = { id: event.pointerId, at: onScreen(event) };
      setGrabbing(true);
    } else if (fingers.current.size === 2) {
      // A second finger moves the view; what the first one began is taken back.
      if (pressed.current !== null) dispatch({ type: "cancel" });
      pressed.current = null;
    } else if (event.button === 0 && pressed.current === null && pan.current === null) {
      pressed.current = event.pointerId;
      dispatch({ type: "pointer-down", pointer: pointer(event) });
    }
  };
  const moved = (event: React.PointerEvent): void => {
    if (!shown) return;
    if (fingers.current.size === 2 && fingers.current.has(event.pointerId)) {
      pinch(event.pointerId, onScreen(event));
      return;
    }
    if (pan.current !== null) {
      if (pan.current.id !== event.pointerId) return;
      const [x, y] = onScreen(event);
      move(panBy(renderer.camera, x - pan.current.at[0], y - pan.current.at[1], extent, renderer.view));
      pan.current.at = [x, y];
      return;
    }
    if (pressed.current !== null && pressed.current !== event.pointerId) return;
    dispatch({ type: "pointer-move", pointer: pointer(event) });
  };
  const up = (event: React.PointerEvent): void => {
    fingers.current.delete(event.pointerId);
    if (pan.current?.id === event.pointerId) {
      pan.current = null;
      setGrabbing(false);
    } else if (pressed.current === event.pointerId) {
      pressed.current = null;
      dispatch({ type: "pointer-up", pointer: pointer(event) });
    }
  };
  const lost = (event: React.PointerEvent): void => {
    fingers.current.delete(event.pointerId);
    if (pan.current?.id === event.pointerId) pan.current = null;
    if (pressed.current === event.pointerId) {
      pressed.current = null;
      dispatch({ type: "cancel" });
    }
    setGrabbing(false);
  };
  const pinch = (id: number, now: Point): void => {
    const before = fingers.current.get(id);
    const other = [...fingers.current].find(([each]) => each !== id)?.[1];
    fingers.current.set(id, now);
    if (before === undefined || other === undefined) return;
    const far = (p: Point): number => Math.max(1, Math.hypot(p[0] - other[0], p[1] - other[1]));
    const panned = panBy(renderer.camera, (now[0] - before[0]) / 2, (now[1] - before[1]) / 2, extent, renderer.view);
    move(zoomAt(panned, [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2], far(now) / far(before), extent, renderer.view));
  };

  const { tool, brush } = state;
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    // React's own wheel listeners cannot keep the page from zooming.
    const turned = (event: WheelEvent): void => {
      event.preventDefault();
      const painting = tool === "mask" || tool === "eraser";
      const along = event.deltaY === 0 ? event.deltaX : event.deltaY;
      if (event.shiftKey && painting) {
        dispatch({ type: "brush", radius: along < 0 ? brush * 1.15 : brush / 1.15 });
      } else if (event.ctrlKey || event.metaKey || (!event.shiftKey && wheelZooms(event, wheel))) {
        const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? along * 16 : along;
        zoom(Math.exp(-Math.max(-120, Math.min(120, lines)) * (event.ctrlKey && Math.abs(lines) < 50 ? 0.01 : 0.002)), onScreen(event));
      } else {
        const [dx, dy] = event.shiftKey ? [along, 0] : [event.deltaX, event.deltaY];
        move(panBy(renderer.camera, -dx, -dy, extent, renderer.view));
      }
    };
    element.addEventListener("wheel", turned, { passive: false });
    return () => { element.removeEventListener("wheel", turned); };
  }, [tool, brush, wheel, dispatch, zoom, move, renderer, extent, onScreen]);

  const inside = state.pointer !== null && state.pointer[0] >= 0 && state.pointer[1] >= 0 && state.pointer[0] < extent.width && state.pointer[1] < extent.height;
  const painting = tool === "mask" || tool === "eraser";
  return (
    <div className="lw-image">
      <div
        ref={host}
        className="lw-canvas"
        role="img"
        aria-label={t("drawing.summary", { n: count, width: extent.width, height: extent.height })}
        aria-busy={!shown}
        style={{ cursor: grabbing ? "grabbing" : panning ? "grab" : cursorOf(state) }}
        onPointerDown={down}
        onPointerMove={moved}
        onPointerUp={up}
        onPointerCancel={lost}
        onPointerLeave={() => { if (pressed.current === null && pan.current === null) dispatch({ type: "pointer-out" }); }}
        onDoubleClick={(event) => { if (shown && event.button === 0) dispatch({ type: "double", pointer: pointer(event) }); }}
        // A middle click would scroll or paste.
        onAuxClick={(event) => { event.preventDefault(); }}
      />
      {loaded === "waiting" && <Late />}
      {typeof loaded === "object" && (
        <div className="lw-image-note" role="alert">
          <strong>{t("drawing.broken")}</strong>
          <span>{t("drawing.brokenHint", { why: loaded.why })}</span>
          <Button size="xs" onClick={() => { setLoaded("waiting"); setTries((n) => n + 1); }}>{t("common.retry")}</Button>
        </div>
      )}
      {hint !== "" && <p className="lw-image-hint">{hint}</p>}
      <div className="lw-image-bar">
        <ActionIcon variant="default" size={28} aria-label={t("drawing.zoomOut")} title={`${t("drawing.zoomOut")} (${keyOf("zoom-out")})`} onClick={() => { zoom(0.8); }}>−</ActionIcon>
        <span className="lw-number lw-zoom" aria-live="off">{t("drawing.zoomLevel", { n: Math.round(zoomed * 100) })}</span>
        <ActionIcon variant="default" size={28} aria-label={t("drawing.zoomIn")} title={`${t("drawing.zoomIn")} (${keyOf("zoom-in")})`} onClick={() => { zoom(1.25); }}>+</ActionIcon>
        <Button variant="default" size="compact-sm" onClick={fit} rightSection={<kbd>{keyOf("fit")}</kbd>}>{t("drawing.fit")}</Button>
        <Button variant="default" size="compact-sm" onClick={() => { zoom(1 / renderer.camera.scale); }}>{t("drawing.actualSize")}</Button>
        <NativeSelect
          size="xs"
          aria-label={t("drawing.wheel")}
          value={wheel}
          data={WHEEL_MODES.map((value) => ({ value, label: t(`drawing.wheelModes.${value}`) }))}
          onChange={(event) => {
            const chosen = WHEEL_MODES.find((each) => each === event.currentTarget.value) ?? "auto";
            localStorage.setItem(WHEEL, chosen);
            setWheel(chosen);
          }}
        />
        <span className="lw-dim">{t("drawing.fill")}</span>
        <Slider
          w={80}
          size="sm"
          min={0}
          max={1}
          step={0.05}
          label={(value) => `${String(Math.round(value * 100))} %`}
          thumbLabel={t("drawing.opacity")}
          value={opacity}
          onChange={setOpacity}
          onChangeEnd={(value) => { localStorage.setItem(OPACITY, String(value)); }}
        />
        {painting && <span className="lw-dim">{t("drawing.brush")}</span>}
        {painting && (
          <Slider w={80} size="sm" min={1} max={200} step={1} label={(value) => `${String(value)} px`} thumbLabel={t("drawing.brushSize")} value={Math.round(brush)} onChange={(radius) => { dispatch({ type: "brush", radius }); }} />
        )}
        <span className="lw-number lw-at" aria-hidden>{inside && state.pointer !== null ? t("drawing.at", { x: Math.floor(state.pointer[0]), y: Math.floor(state.pointer[1]) }) : ""}</span>
      </div>
    </div>
  );
}

/** Only a wait that is felt is told. */
function Late() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => { setLate(true); }, 150);
    return () => { clearTimeout(timer); };
  }, []);
  return late ? <p className="lw-image-note" role="status">{t("drawing.loading")}</p> : null;
}

/** Whether a plain turn of the wheel zooms: of a wheel with notches in `auto`, while two fingers on a pad move. */
function wheelZooms(event: WheelEvent, mode: WheelMode): boolean {
  if (mode !== "auto") return mode === "zoom";
  return event.deltaMode !== WheelEvent.DOM_DELTA_PIXEL || (event.deltaX === 0 && Math.abs(event.deltaY) >= 50);
}

function cursorOf({ tool, mode, hover, selected }: State): string {
  if (mode.kind === "select.moving") return "move";
  if (tool === "mask" || tool === "eraser") return "none";
  if (tool !== "select") return "crosshair";
  return hover === null ? "default" : selected.includes(hover) ? "move" : "pointer";
}
