/** The appointments that stayed with their doctor, as lines. What cannot be read is missing in its own line only. */

import { useQueries, useQuery } from "@tanstack/vue-query";
import { computed, reactive } from "vue";
import { useI18n } from "vue-i18n";
import { answered, api } from "../api/client.js";
import { hospitalDay, longDay, now, timeOfDay } from "../clock.js";
import type { Identity } from "../identity.js";
import { everyService } from "../records.js";
import { showNames } from "../same_names.js";
import { useSession } from "../session.js";
import { openStayed } from "./stayed.js";

/** How often a failed read is repeated before the dialog offers to read again. */
const RETRIES = 1;

interface StayedLine {
    readonly appointment_id: number;
    /** Without it, the name is not read yet, or could not be read. */
    readonly patient: Identity | undefined;
    readonly isReading: boolean;
    /** The day when it is not today, the time, the service and the reason. */
    readonly details: readonly string[];
}

async function readIdentity(record_id: number): Promise<Identity & { readonly patient_id: number }> {
    const patient = await answered(api.GET("/api/patients/{record_id}", { params: { path: { record_id } } }));
    const { first_name, last_name, birth_date, record_number } = patient;
    const patient_name = [first_name, last_name].filter(Boolean).join(" ");
    return { patient_id: record_id, patient_name, family_name: last_name, birth_date, record_number };
}

const readAppointment = (record_id: number) =>
    answered(api.GET("/api/appointments/{record_id}", { params: { path: { record_id } } }));

export function useStayedLines() {
    const { t, te, locale } = useI18n();
    const session = useSession();
    const stayed = computed(() => openStayed.value?.appointments ?? []);
    const patientIds = computed(() => [...new Set(stayed.value.map(({ patient_id }) => patient_id))]);
    const names = useQueries({
        queries: computed(() =>
            patientIds.value.map(id => ({
                queryKey: ["stayed", "patient", id],
                queryFn: () => readIdentity(id),
                retry: RETRIES,
            })),
        ),
    });
    const appointments = useQueries({
        queries: computed(() =>
            stayed.value.map(({ appointment_id }) => ({
                queryKey: ["stayed", "appointment", appointment_id],
                queryFn: () => readAppointment(appointment_id),
                retry: RETRIES,
            })),
        ),
    });
    const services = reactive(
        useQuery({ ...everyService, retry: RETRIES, enabled: computed(() => stayed.value.length > 0) }),
    );
    showNames(computed(() => names.value.flatMap(({ data }) => data ?? [])));

    function whenAndWhat(appointmentId: number): readonly string[] {
        const appointment = appointments.value.find(({ data }) => data?.id === appointmentId)?.data;
        const who = session.value;
        if (appointment === undefined || who === undefined) return [];
        const { scheduled_at, prestation_id } = appointment;
        const day = hospitalDay(Date.parse(scheduled_at), who);
        const time = timeOfDay(scheduled_at, who.timezone, locale.value);
        const service = services.data?.find(({ id }) => id === prestation_id)?.name;
        const otherDay = day === hospitalDay(now.value, who) ? [] : [longDay(day, locale.value)];
        return [...otherDay, time, ...(service === undefined ? [] : [service])];
    }

    const lines = computed(() =>
        stayed.value.map(({ appointment_id, patient_id, code }): StayedLine => {
            const name = names.value[patientIds.value.indexOf(patient_id)];
            const reason = te(`problem.${code}`) ? t(`problem.${code}`) : t("problem.other");
            return {
                appointment_id,
                patient: name?.data,
                isReading: name?.isFetching ?? false,
                details: [...whenAndWhat(appointment_id), reason],
            };
        }),
    );
    const failed = computed(() =>
        [...names.value, ...appointments.value, services].filter(({ error }) => error !== null),
    );
    return {
        lines,
        error: computed(() => failed.value[0]?.error),
        readAgain: () => Promise.all(failed.value.map(({ refetch }) => refetch())),
    };
}
