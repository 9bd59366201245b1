/** How the page is built: into the API's own package, which serves it. It must not fetch anything. */

import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

/** Where `vite` finds the API while somebody works on the page: that of `make up`. */
const API = "http://127.0.0.1:8000";

export default defineConfig({
    plugins: [vue()],
    resolve: { alias: { "visit-stream": new URL("../stream/src/index.ts", import.meta.url).pathname } },
    define: { __VUE_OPTIONS_API__: "false", __VUE_I18N_LEGACY_API__: "false", __INTLIFY_PROD_DEVTOOLS__: "false" },
    build: {
        outDir: "../../api/built_page",
        emptyOutDir: true,
        // A picture or style inlined as a data: address would need a hole in the Content-Security-Policy.
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
    },
    server: { proxy: { "/api": API } },
});
