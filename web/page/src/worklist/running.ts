/** The signed-in doctor's own exclusive consultation, wherever the doctor is on the page. */

import { computed } from "vue";
import { hospitalDay, now } from "../clock.js";
import { useWorklist } from "../queries.js";
import { useWho } from "../session.js";

export function useRunning() {
    const who = useWho();
    const wanted = computed(() => ({
        date: hospitalDay(now.value, who.value),
        doctorId: who.value.doctor_id,
        search: "",
        statuses: [],
        page: 1,
    }));
    const { data } = useWorklist(wanted);
    return computed(() =>
        data.value?.items.find(
            item =>
                item.doctor_id === who.value.doctor_id &&
                item.status === "in_progress" &&
                item.exclusive &&
                item.paused_at === null,
        ),
    );
}
