/** The commands of an administrator. Each one reads its list again. They throw ProblemError. */

import { useQueryClient } from "@tanstack/vue-query";
import { askUntilDecided } from "../api/asking.js";
import {
    type AddAccount,
    type AddedAccount,
    answered,
    api,
    type ChangeAccount,
    type Doctor,
    type DoctorContent,
    type Service,
    type ServiceContent,
} from "../api/client.js";
import { DOCTORS, SERVICES } from "../records.js";
import { ACCOUNTS } from "./queries.js";
import { changeRecord } from "./record_writing.js";

/** The system of the identifiers that the page gives to new records. So a repeat of the call creates no second record. */
const TYPED_IN = "urn:patient-visit-engine:typed";
const withKey = (key: string) => ({ header: { "Idempotency-Key": key } });
const withVersion = (version: number | undefined) =>
    version === undefined ? {} : { header: { "If-Match": `"${version}"` } };

export function useAdministration() {
    const queries = useQueryClient();

    async function send<T>(list: string, call: (key: string) => Promise<T>): Promise<T> {
        try {
            return await askUntilDecided(call);
        } finally {
            void queries.invalidateQueries({ queryKey: [list] });
        }
    }

    /** The answer to a repeat has no drawn password. */
    function addAccount(body: AddAccount): Promise<AddedAccount> {
        return send(
            ACCOUNTS,
            async key => (await answered(api.POST("/api/accounts", { params: withKey(key), body }))) as AddedAccount,
        );
    }

    function changeAccount(account_id: number, body: ChangeAccount) {
        return send(ACCOUNTS, key =>
            answered(
                api.PATCH("/api/accounts/{account_id}", { params: { path: { account_id }, ...withKey(key) }, body }),
            ),
        );
    }

    function addDoctor(body: DoctorContent): Promise<Doctor> {
        return send(DOCTORS, key =>
            answered(api.PUT("/api/doctors", { params: { query: { identifier: `${TYPED_IN}|${key}` } }, body })),
        );
    }

    function changeDoctor({ id: record_id, version }: Doctor, content: DoctorContent): Promise<Doctor> {
        const path = { record_id };
        const read = () => answered(api.GET("/api/doctors/{record_id}", { params: { path } }));
        const put = (body: DoctorContent, of?: number) =>
            answered(api.PUT("/api/doctors/{record_id}", { params: { path, ...withVersion(of) }, body }));
        return send(DOCTORS, () => changeRecord(content, version, { put, read }));
    }

    function addService(body: ServiceContent): Promise<Service> {
        return send(SERVICES, key =>
            answered(api.PUT("/api/prestations", { params: { query: { identifier: `${TYPED_IN}|${key}` } }, body })),
        );
    }

    function changeService({ id: record_id, version }: Service, content: ServiceContent): Promise<Service> {
        const path = { record_id };
        const read = () => answered(api.GET("/api/prestations/{record_id}", { params: { path } }));
        const put = (body: ServiceContent, of?: number) =>
            answered(api.PUT("/api/prestations/{record_id}", { params: { path, ...withVersion(of) }, body }));
        return send(SERVICES, () => changeRecord(content, version, { put, read }));
    }

    return { addAccount, changeAccount, addDoctor, changeDoctor, addService, changeService };
}
