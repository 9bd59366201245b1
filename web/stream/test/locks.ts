/** The fake locks of one browser. */

import type { LockOptions } from "../src/surroundings.js";
import type { Page } from "./browser.js";

interface Request {
    page: Page;
    onGranted: () => Promise<void>;
    refuse: (error: unknown) => void;
}

export const aborted = (): Error => Object.assign(new Error("aborted"), { name: "AbortError" });

/** Web Locks, shared by the pages of one browser. */
export class LockTable {
    private readonly holders = new Map<string, Request>();
    private readonly lines = new Map<string, Request[]>();

    request(page: Page, name: string, options: LockOptions, onGranted: () => Promise<void>): Promise<void> {
        return new Promise((done, refuse) => {
            const request: Request = { page, onGranted, refuse: error => page.run(() => refuse(error)) };
            if (options.steal) {
                this.holders.get(name)?.refuse(aborted());
                this.grant(name, request, done);
                return;
            }
            const line = this.lines.get(name) ?? [];
            this.lines.set(name, [...line, request]);
            options.signal?.addEventListener("abort", () => {
                this.lines.set(
                    name,
                    (this.lines.get(name) ?? []).filter(other => other !== request),
                );
                request.refuse(aborted());
            });
            this.next(name);
        });
    }

    private grant(name: string, request: Request, done: () => void = () => {}): void {
        this.holders.set(name, request);
        request.page.run(() => {
            void request.onGranted().then(() => {
                if (this.holders.get(name) === request) this.holders.delete(name);
                done();
                this.next(name);
            });
        });
    }

    next(name: string): void {
        const line = this.lines.get(name) ?? [];
        const first = line[0];
        if (this.holders.has(name) || first === undefined) return;
        this.lines.set(name, line.slice(1));
        this.grant(name, first);
    }

    /** Remove a closed page: its requests and its lock become free. */
    forget(page: Page): void {
        for (const [name, line] of this.lines)
            this.lines.set(
                name,
                line.filter(request => request.page !== page),
            );
        for (const [name, holder] of [...this.holders]) {
            if (holder.page === page) {
                this.holders.delete(name);
                this.next(name);
            }
        }
    }

    holder(): Page | undefined {
        return [...this.holders.values()][0]?.page;
    }
}
