// SPDX-License-Identifier: MIT
// Pages list: what stands in the navigation, in its order, and the key that goes there.
export const PAGES = [
    { path: [], icon: "overview", title: "Overview", key: "o" },
    { path: ["jobs"], icon: "jobs", title: "Jobs", key: "j" },
    { path: ["failures"], icon: "failures", title: "Failures", key: "f" },
    { path: ["queues"], icon: "queues", title: "Queues", key: "q" },
    { path: ["types"], icon: "types", title: "Job types", key: "y" },
    { path: ["schedules"], icon: "schedules", title: "Schedules", key: "s" },
    { path: ["batches"], icon: "batches", title: "Batches", key: "b" },
    { path: ["nodes"], icon: "nodes", title: "Nodes", key: "n" },
    { path: ["tokens"], icon: "tokens", title: "Tokens", key: "t" },
    { path: ["doctor"], icon: "doctor", title: "Doctor", key: "d" }
];
