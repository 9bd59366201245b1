/** The answers to a search for a patient: the patients of the hospital, and their appointments of today. */

import { useQuery, useQueryClient } from "@tanstack/vue-query";
import { computed, onScopeDispose, type Ref, ref, shallowRef, watch } from "vue";
import { answered, api } from "../api/client.js";
import { hospitalDay, now } from "../clock.js";
import { PAPER_SIZE, readWorklistPages, TYPED, WORKLIST } from "../queries.js";
import { useWho } from "../session.js";
import { SETTLES_FOR } from "../settling.js";
import { type Answer, matchesOf } from "./matches.js";
import { isLongEnough, searchText } from "./text.js";

const PATIENTS = "patients";
/** A user needs this long to see a new answer, in milliseconds. */
const SEEN_AFTER = 300;
/** How often a failed read is repeated for an Enter. Later the user no longer expects it to act. */
const RETRIES_OF_ENTER = 2;
/** The text may also be a service's name, which a whole hospital's day has. Then its rows have several pages. */
const MOST_PAGES = 10;

export function useSearch(typed: Ref<string>) {
    const queries = useQueryClient();
    const who = useWho();
    const text = computed(() => searchText(typed.value));
    const today = computed(() => hospitalDay(now.value, who.value));
    const searched = ref("");
    let timer: ReturnType<typeof setTimeout> | undefined;

    const patientsOf = (search: string) => ({
        queryKey: [PATIENTS, search],
        // Without a signal: a scan is answered also when the field has the next text.
        queryFn: () => answered(api.GET("/api/patients", { params: { query: { q: search } } })),
    });
    const rowsOf = (search: string) => {
        const wanted = { date: today.value, doctorId: null, search, statuses: [], page: 1 } as const;
        return {
            queryKey: [WORKLIST, { ...wanted, pages: MOST_PAGES }],
            queryFn: () => readWorklistPages(wanted, PAPER_SIZE, MOST_PAGES),
        };
    };
    const isSearched = computed(() => searched.value !== "");
    const patients = useQuery(computed(() => ({ ...patientsOf(searched.value), enabled: isSearched.value })));
    const rows = useQuery(computed(() => ({ ...rowsOf(searched.value), enabled: isSearched.value })));

    type Found = Awaited<ReturnType<ReturnType<typeof patientsOf>["queryFn"]>>;
    type Rows = Awaited<ReturnType<typeof readWorklistPages>>;
    const answerOf = (search: string, { items, more, total }: Found, list: Rows): Answer => ({
        text: search,
        matches: matchesOf(search, items, list.items),
        more: more || total > items.length,
    });

    watch(text, () => {
        clearTimeout(timer);
        timer = setTimeout(() => (searched.value = isLongEnough(text.value) ? text.value : ""), TYPED);
    });
    onScopeDispose(() => [timer, seen].forEach(clearTimeout));

    /** The newest answer. While the next one is read, it stays on the screen. */
    const answer = shallowRef<Answer>();
    /** The answer has been on the screen for long enough. */
    const isReady = ref(false);
    let seen: ReturnType<typeof setTimeout> | undefined;
    function show(after = SEEN_AFTER): void {
        isReady.value = false;
        clearTimeout(seen);
        seen = setTimeout(() => (isReady.value = true), after);
    }
    /** The answer does not come. The page reads it again and again. */
    const isFailing = computed(
        () => isSearched.value && [patients, rows].some(read => read.failureReason.value !== null),
    );
    /** The walk-in is on the screen because of a failure. The list comes by itself later, in its place. */
    let hasFailed = false;
    // What appears by itself can be pressed as late as an answer.
    watch(isFailing, failing => {
        if (!failing) return;
        hasFailed = true;
        if (answer.value === undefined) show();
    });
    watch([searched, patients.data, rows.data], () => {
        if (searched.value === "") answer.value = undefined;
        else if (patients.data.value !== undefined && rows.data.value !== undefined) {
            const next = answerOf(searched.value, patients.data.value, rows.data.value);
            const ids = (shown: Answer | undefined) => shown?.matches.map(match => match.patient_id).join();
            if (answer.value?.text !== next.text || ids(answer.value) !== ids(next))
                show(hasFailed ? SETTLES_FOR : SEEN_AFTER);
            hasFailed = false;
            answer.value = next;
        }
    });

    /** Whether the user sees the answer to exactly the typed text. */
    const isSeen = (): boolean => answer.value?.text === text.value && isReady.value;

    /** The answer to exactly this text. Throws ProblemError. */
    async function readAnswer(search: string): Promise<Answer> {
        const reads = [patientsOf(search), rowsOf(search)] as const;
        // A read for the screen is repeated without end, and fetchQuery would wait for it.
        await Promise.all(reads.map(({ queryKey }) => queries.cancelQueries({ queryKey, exact: true })));
        searched.value = search;
        const [found, list] = await Promise.all([
            queries.fetchQuery({ ...reads[0], retry: RETRIES_OF_ENTER }),
            queries.fetchQuery({ ...reads[1], retry: RETRIES_OF_ENTER }),
        ]);
        return answerOf(search, found, list);
    }

    return {
        text,
        answer,
        isSeen,
        isReady,
        isFailing,
        error: computed(() => patients.error.value ?? rows.error.value),
        retry: () => Promise.all([patients.refetch(), rows.refetch()]),
        readAnswer,
    };
}
