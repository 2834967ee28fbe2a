import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const noRawHtml = [
  { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: "No raw HTML: texts and model output are data." },
  { selector: "MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML)$/]", message: "No raw HTML: texts and model output are data." },
];

export default tseslint.config(
  { ignores: ["node_modules", "coverage", "src/api/schema.d.ts"] },
  js.configs.recommended,
  ...tseslint.configs.strict,
  {
    files: ["src/**/*.{ts,tsx}"],
    plugins: { "react-hooks": hooks },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "no-restricted-syntax": ["error", ...noRawHtml],
      eqeqeq: "error",
      // Leaving a field out of a copy names it: `const { score: _score, ...rest } = span`.
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
    },
  },
  {
    // The editor engine is plain TypeScript: it can be tested without a browser and outlives any framework.
    files: ["src/editor/**/*.ts"],
    rules: {
      "no-restricted-imports": [
        "error",
        { patterns: ["react", "react-*", "@mantine/*", "@tanstack/*", "**/api/*", "**/screens/*", "**/parts/*", "**/app/*"] },
      ],
    },
  },
);
