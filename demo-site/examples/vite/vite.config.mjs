// main.mjs awaits at its top level.
export default { build: { target: "es2022" } };
