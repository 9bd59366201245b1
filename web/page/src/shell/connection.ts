/** The state of the event stream, for the light and the bar: whether the screen is up to date. */

import { computed } from "vue";
import { useI18n } from "vue-i18n";
import { byServer, timeOfDay } from "../clock.js";
import { streamState } from "../live.js";
import { useSession } from "../session.js";

export function useConnection() {
    const { t, locale } = useI18n();
    const session = useSession();
    const light = computed(() =>
        streamState.value.name === "live" ? "good" : streamState.value.name === "catching_up" ? "wait" : "bad",
    );
    const words = computed(() => {
        const { name, since } = streamState.value;
        const zone = session.value?.timezone ?? "UTC";
        return t(`light.${name}`, { since: timeOfDay(byServer(since), zone, locale.value) });
    });
    return { light, words };
}
