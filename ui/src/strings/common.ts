export const common = {
  app: "Labelwright",
  loading: "Loading…",
  retry: "Try again",
  cancel: "Cancel",
  save: "Save",
  close: "Close",
  notFound: "There is nothing at this address.",
  home: "Home",
  theme: "Switch between light and dark",
  unreachable: "The server cannot be reached.",
  unreachableHint: "Check that it runs; your work is kept in this browser.",
} as const;
