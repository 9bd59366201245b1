/** Creates the page's application from its parts. */

import "vue-sonner/style.css";
import "./style/index.css";
import { VueQueryPlugin } from "@tanstack/vue-query";
import { createApp } from "vue";
import App from "./App.vue";
import { i18n, speak } from "./i18n.js";
import { newQueryClient } from "./queries.js";
import { newRouter } from "./router.js";
import { showTheme } from "./theme.js";

const queryClient = newQueryClient();

speak(i18n.global.locale.value);
showTheme();
createApp(App).use(i18n).use(VueQueryPlugin, { queryClient }).use(newRouter(queryClient)).mount("#page");
