/** The frame of the app: sign-in, the top bar, and one lazily loaded screen per address. */
import { ActionIcon, Anchor, MantineProvider, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider, useQuery } from "@tanstack/react-query";
import { Component, Suspense, lazy, useEffect, useState, type ReactNode } from "react";
import { Link, Route, Switch } from "wouter";

import { ApiError, api, must } from "../api/client";
import { match, typingIn } from "../keys";
import { Empty, Trouble, Waiting } from "../parts/state";
import { t } from "../strings";
import { theme, variables } from "../theme";
import { MeContext } from "./me";
import "./screens.css";

const Annotate = lazy(() => import("../screens/annotate/AnnotateScreen"));
const Decide = lazy(() => import("../screens/annotate/DecideScreen"));
const Home = lazy(() => import("../screens/home/HomeScreen"));
const Wizard = lazy(() => import("../screens/wizard/WizardScreen"));
const Project = lazy(() => import("../screens/project/ProjectScreen"));
const Settings = lazy(() => import("../screens/settings/SettingsScreen"));
const SignIn = lazy(() => import("../screens/signin/SignInScreen"));
const Help = lazy(() => import("../screens/help/HelpOverlay"));
const Palette = lazy(() => import("../screens/help/Palette"));

const queries = new QueryClient({
  defaultOptions: { queries: { retry: (n, error) => n < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 500), staleTime: 2_000 } },
});

export function App() {
  return (
    <MantineProvider theme={theme} cssVariablesResolver={variables} defaultColorScheme="auto">
      <QueryClientProvider client={queries}>
        <Notifications position="top-center" autoClose={4000} />
        <Guarded>
          <SignedIn />
        </Guarded>
      </QueryClientProvider>
    </MantineProvider>
  );
}

/** A screen that breaks says so and leaves the rest alone. */
class Guarded extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  override render() {
    if (this.state.error === null) return this.props.children;
    return <Trouble error={this.state.error} retry={() => { this.setState({ error: null }); }} />;
  }
}

function SignedIn() {
  const me = useQuery({ queryKey: ["me"], queryFn: () => must(api.GET("/api/me")), staleTime: Infinity });
  const person = me.data?.user.user_id;
  useEffect(() => {
    // Work that a closed or left label screen did not get out is sent from whatever screen is open next.
    if (person !== undefined) void import("../outbox/server").then(({ outboxOf }) => outboxOf(person));
  }, [person]);
  if (me.isPending) return <Waiting />;
  if (me.isError) {
    if (me.error instanceof ApiError && me.error.status === 401) {
      return <Suspense fallback={<Waiting />}><SignIn /></Suspense>;
    }
    return <Trouble error={me.error} retry={() => void me.refetch()} />;
  }
  return (
    <MeContext.Provider value={me.data}>
      <div className="lw-shell">
        <a className="lw-skip-link" href="#main">{t("common.toContent")}</a>
        <TopBar name={me.data.user.display_name || me.data.user.name} />
        <div className="lw-body">
          <Suspense fallback={<Waiting />}>
            <Switch>
              <Route path="/projects/:id/label"><Guarded><Annotate /></Guarded></Route>
              <Route path="/projects/:id/decide"><Guarded><Decide /></Guarded></Route>
              <Route path="/projects/:id/:tab?"><Guarded><Project /></Guarded></Route>
              <Route path="/new"><Guarded><Wizard /></Guarded></Route>
              <Route path="/settings/:tab?"><Guarded><Settings /></Guarded></Route>
              <Route path="/sign-in"><SignIn /></Route>
              <Route path="/"><Guarded><Home /></Guarded></Route>
              <Route><Empty title={t("common.notFound")} action={<Anchor component={Link} href="/">{t("common.home")}</Anchor>} /></Route>
            </Switch>
          </Suspense>
        </div>
        <Overlays />
      </div>
    </MeContext.Provider>
  );
}

function TopBar({ name }: { name: string }) {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  return (
    <header className="lw-top" role="banner">
      <Link href="/" className="lw-brand"><img src="/favicon.svg" alt="" />{t("common.app")}</Link>
      <span className="lw-grow" />
      <button type="button" className="lw-link" onClick={() => { window.dispatchEvent(new CustomEvent("lw-open", { detail: "palette" })); }}>{t("common.palette")} <kbd>ctrl+K</kbd></button>
      <button type="button" className="lw-link" onClick={() => { window.dispatchEvent(new CustomEvent("lw-open", { detail: "help" })); }}>{t("common.keys")} <kbd>?</kbd></button>
      <ActionIcon variant="default" size="sm" aria-label={t("common.theme")} onClick={() => { setColorScheme(scheme === "dark" ? "light" : "dark"); }}>{scheme === "dark" ? "☀" : "☾"}</ActionIcon>
      <Link href="/settings">{name}</Link>
    </header>
  );
}

/** Help and palette, opened by their keys anywhere outside of text fields, or by their buttons. */
function Overlays() {
  const [open, setOpen] = useState<"help" | "palette" | null>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const found = match(event, ["global"]);
      if (found === undefined || (found.id === "help" && typingIn(event.target))) return;
      event.preventDefault();
      setOpen(found.id === "help" ? "help" : "palette");
    };
    const asked = (event: globalThis.Event): void => {
      setOpen((event as CustomEvent<"help" | "palette">).detail);
    };
    window.addEventListener("keydown", press);
    window.addEventListener("lw-open", asked);
    return () => {
      window.removeEventListener("keydown", press);
      window.removeEventListener("lw-open", asked);
    };
  }, []);
  const close = (): void => { setOpen(null); };
  return (
    <Suspense>
      {open === "help" && <Help close={close} />}
      {open === "palette" && <Palette close={close} />}
    </Suspense>
  );
}
