import { QueryClient, VueQueryPlugin } from "@tanstack/vue-query";
import { describe, expect, it } from "vitest";
import { createApp } from "vue";
import type { Who } from "../src/api/client.js";
import { SESSION } from "../src/queries.js";
import { useWho } from "../src/session.js";

describe("the session", () => {
    it("is observed once, however many rows ask who is signed in", () => {
        const queryClient = new QueryClient();
        queryClient.setQueryData(SESSION, { user_id: "7", name: "Dr. Smith" } as Partial<Who>);
        const app = createApp({}).use(VueQueryPlugin, { queryClient });
        const users = app.runWithContext(() => [useWho(), useWho(), useWho()]);

        expect(users.map(user => user.value.name)).toEqual(["Dr. Smith", "Dr. Smith", "Dr. Smith"]);
        expect(queryClient.getQueryCache().find({ queryKey: SESSION })?.getObserversCount()).toBe(1);
    });
});
