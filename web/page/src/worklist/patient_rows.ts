/** The appointments of one patient on one day, as rows of the worklist. */

import type { Identity } from "../identity.js";
import { PAPER_SIZE, readWorklistPages, WORKLIST } from "../queries.js";
import { searchText } from "../search/text.js";

/** So many rows may belong to patients of the same name, in pages. */
const MOST_PAGES = 10;

/** The query of the rows. The API finds them by the patient's name, and the page leaves out other patients of that name. */
export function rowsOfPatient(patient: Identity & { readonly patient_id: number }, date: string) {
    const wanted = { date, doctorId: null, search: searchText(patient.patient_name), statuses: [] } as const;
    return {
        queryKey: [WORKLIST, { ...wanted, page: 1, pages: MOST_PAGES, patient: patient.patient_id }],
        queryFn: async ({ signal }: { signal: AbortSignal }) => {
            const list = await readWorklistPages(wanted, PAPER_SIZE, MOST_PAGES, signal);
            return { ...list, items: list.items.filter(item => item.patient_id === patient.patient_id) };
        },
    };
}
