/** Builds the page into the package of the API, which serves it. The build must not download anything. */

import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

/** The API of `make up`, which `vite` uses during development of the page. */
const API = "http://127.0.0.1:8000";

export default defineConfig({
    plugins: [vue()],
    resolve: { alias: { "visit-stream": new URL("../stream/src/index.ts", import.meta.url).pathname } },
    define: { __VUE_OPTIONS_API__: "false", __VUE_I18N_LEGACY_API__: "false", __INTLIFY_PROD_DEVTOOLS__: "false" },
    build: {
        outDir: "../../api/built_page",
        emptyOutDir: true,
        // A data: address for a picture or style would need an exception in the Content-Security-Policy.
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
    },
    server: { proxy: { "/api": API } },
});
