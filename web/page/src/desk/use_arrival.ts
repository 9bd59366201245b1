/** The patient who was checked in last, with the ticket and what is open for the patient today. */

import { useQuery } from "@tanstack/vue-query";
import { computed, type Ref, shallowRef } from "vue";
import type { Appointment } from "../api/client.js";
import { hospitalDay, now } from "../clock.js";
import type { Identity } from "../identity.js";
import { useWho } from "../session.js";
import { rowsOfPatient } from "../worklist/patient_rows.js";

export type ArrivedPatient = Identity & { readonly patient_id: number };

const NO_PATIENT: ArrivedPatient = { patient_id: 0, patient_name: "" };
const isHere = ({ status }: Appointment): boolean => status === "pending" || status === "in_progress";

/** `arrived`: the rows that the desk has read. `unread`: how many more there are, in which the patient can be. */
export function useArrival(arrived: Readonly<Ref<readonly Appointment[]>>, unread: Readonly<Ref<number>>) {
    const who = useWho();
    const patient = shallowRef<ArrivedPatient>();
    const isUnread = computed(() => patient.value !== undefined && unread.value > 0);
    const { data } = useQuery(
        computed(() => ({
            ...rowsOfPatient(patient.value ?? NO_PATIENT, hospitalDay(now.value, who.value)),
            enabled: isUnread.value,
        })),
    );
    const arrival = computed(() => {
        const all = isUnread.value ? (data.value?.items ?? []) : arrived.value;
        const rows = all.filter(item => item.patient_id === patient.value?.patient_id && isHere(item));
        const [first] = rows;
        if (first === undefined) return undefined;
        const stops = rows.map(item => ({
            id: item.appointment_id,
            at: item.scheduled_at,
            prestation: item.prestation,
            doctor: item.doctor_name,
            room: item.room,
        }));
        return { patient: first, ticket: first.ticket, stops };
    });
    return { patient, arrival };
}
