/** The signed-in doctor's list of today without filters, and the doctor's own exclusive consultation in it. */

import { computed } from "vue";
import { hospitalDay, now } from "../clock.js";
import { useWorklist } from "../queries.js";
import { useWho } from "../session.js";

/** The rows of the doctor's own day, wherever the doctor is on the page. Other staff have none, and nothing is read for them. */
export function useOwnDay() {
    const who = useWho();
    const wanted = computed(() => ({
        date: hospitalDay(now.value, who.value),
        doctorId: who.value.doctor_id,
        search: "",
        statuses: [],
        page: 1,
    }));
    const isDoctor = computed(() => who.value.doctor_id !== null);
    const { data } = useWorklist(wanted, isDoctor);
    return computed(() => (isDoctor.value ? (data.value?.items ?? []) : []));
}

export function useRunning() {
    const who = useWho();
    const items = useOwnDay();
    return computed(() =>
        items.value.find(
            item =>
                item.doctor_id === who.value.doctor_id &&
                item.status === "in_progress" &&
                item.exclusive &&
                item.paused_at === null,
        ),
    );
}
