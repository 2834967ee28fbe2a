import { createTheme, defaultVariantColorsResolver, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

const accent: MantineColorsTuple = [
  "#e6eefa", "#cfdff5", "#a3c2ec", "#7fb2ff", "#5690dd", "#3674cb", "#1f5fbf", "#174b99", "#10397a", "#0b1b33",
];

export const theme = createTheme({
  colors: { accent },
  primaryColor: "accent",
  primaryShade: { light: 6, dark: 3 },
  autoContrast: true,
  respectReducedMotion: true,
  // The accent is light in the dark theme: what stands on it follows the theme, which the default resolver cannot know.
  variantColorResolver: (input) => {
    const found = defaultVariantColorsResolver(input);
    const accented = input.variant === "filled" && (input.color === undefined || input.color === "accent");
    return accented ? { ...found, color: "var(--lw-on-accent)" } : found;
  },
  components: {
    Modal: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
    Notification: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
    Drawer: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
  },
  fontFamily: "var(--lw-font)",
  fontFamilyMonospace: "var(--lw-mono)",
  defaultRadius: 6,
  fontSizes: { xs: "12px", sm: "13px", md: "14px", lg: "16px", xl: "20px" },
  headings: { fontWeight: "600", sizes: { h1: { fontSize: "20px", lineHeight: "28px" }, h2: { fontSize: "16px", lineHeight: "24px" } } },
});

/** Mantine's own variables follow our tokens, so that both worlds have one set of colours. */
export const variables: CSSVariablesResolver = () => {
  const both = {
    "--mantine-color-body": "var(--lw-bg)",
    "--mantine-color-text": "var(--lw-ink)",
    "--mantine-color-dimmed": "var(--lw-ink2)",
    "--mantine-color-default-border": "var(--lw-line3)",
    "--mantine-color-default": "var(--lw-panel)",
  };
  return { variables: {}, light: both, dark: both };
};
