// SPDX-License-Identifier: MIT
// App: the frame around all pages, and which page is shown.
import { html, render, useState, useEffect, useErrorBoundary } from "./html.js";
import { useRoute, link, go, parseHash } from "./router.js";
import { onRefused, token, setToken } from "./http.js";
import { start, stop, useLiveState, setPaused } from "./live.js";
import { useResource } from "./data.js";
import { Icon, Mark } from "./icons.js";
import { ErrorBox, Empty, PageHead } from "./ui.js";
import { Toasts } from "./toasts.js";
import { DialogHost } from "./dialogs.js";
import { startKeys, useKey, showKeys } from "./keys.js";
import { nextTheme, useTheme } from "./theme.js";
import { short } from "./format.js";
import { PAGES } from "./pages_list.js";
import { Login } from "./pages/login.js";
import { Overview } from "./pages/overview.js";
import { Jobs } from "./pages/jobs.js";
import { Job } from "./pages/job.js";
import { Failures } from "./pages/failures.js";
import { Queues } from "./pages/queues.js";
import { JobTypes, JobType } from "./pages/job_types.js";
import { Schedules } from "./pages/schedules.js";
import { Batches, Batch } from "./pages/batches.js";
import { Nodes } from "./pages/nodes.js";
import { Tokens } from "./pages/tokens.js";
import { Doctor } from "./pages/doctor.js";

function choose({ path, query }) {
    const [page, id] = path;
    switch (page) {
    case undefined: return html`<${Overview} query=${query} />`;
    case "jobs": return id ? html`<${Job} key=${id} id=${id} query=${query} />` : html`<${Jobs} query=${query} />`;
    case "failures": return html`<${Failures} query=${query} />`;
    case "queues": return html`<${Queues} query=${query} />`;
    case "types": return id ? html`<${JobType} key=${id} name=${id} />` : html`<${JobTypes} />`;
    case "schedules": return html`<${Schedules} />`;
    case "batches": return id ? html`<${Batch} key=${id} id=${id} />` : html`<${Batches} />`;
    case "nodes": return html`<${Nodes} />`;
    case "tokens": return html`<${Tokens} query=${query} />`;
    case "doctor": return html`<${Doctor} />`;
    default: return html`<${PageHead} title="There is no such page" /><${Empty} title="Nothing is here">The address names a page that these pages do not have.
        <p><a href="#/">Go to the overview</a></p></${Empty}>`;
    }
}

function Page({ route }) {
    const [error, reset] = useErrorBoundary();
    useEffect(() => { if (error) reset(); }, [route]);
    if (error) return html`<${ErrorBox} error=${{ title: "This page has a mistake", detail: error.message, hint: "Reload, and please report it." }} retry=${reset} />`;
    return choose(route);
}

const LIVE = { live: ["Live", "Changes appear by themselves"], polling: ["Every 4 s", "No stream of events: the page asks every few seconds"],
    lost: ["No connection", "The server does not answer: the page goes on asking"], connecting: ["Connecting", "Asking for the stream of events"], paused: ["Stopped", "What you see does not change"] };

function LiveSwitch() {
    const state = useLiveState();
    const flip = () => setPaused(state !== "paused");
    useKey("p", flip);
    return html`<button type="button" class=${"live live-" + state} onClick=${flip} aria-pressed=${state === "paused"} title=${LIVE[state][1] + ". Click to " +
        (state === "paused" ? "go on" : "stop") + " (p)"}><i aria-hidden="true"></i><span>${LIVE[state][0]}</span>
        <${Icon} name=${state === "paused" ? "play" : "pause"} size=${13} /></button>`;
}

function ThemeSwitch() {
    const theme = useTheme();
    useKey("t", nextTheme);
    const name = { auto: "as the system", light: "light", dark: "dark" }[theme];
    return html`<button type="button" class="plain-icon" onClick=${nextTheme} title=${"Colours: " + name + " (t)"} aria-label=${"Colours: " + name}>
        <${Icon} name=${{ auto: "auto", light: "sun", dark: "moon" }[theme]} size=${17} /></button>`;
}

function JumpBox() {
    const [text, set] = useState("");
    useKey("/", () => {
        const own = document.querySelector("[data-search]");
        (own || document.getElementById("jump")).focus();
    });
    const jump = (event) => {
        event.preventDefault();
        const word = text.trim().replace(/^#/, "");
        if (!word) return;
        if (/^\d+$/.test(word)) go(link(["jobs", word]));
        else go(link(["jobs"], { find: word }));
        set("");
    };
    return html`<form class="jump" role="search" onSubmit=${jump}><${Icon} name="search" size=${15} />
        <input id="jump" type="text" value=${text} onInput=${(e) => set(e.target.value)} placeholder="Job id, type or payload" autocomplete="off"
            spellcheck="false" aria-label="Find jobs by id, type or payload" /><kbd aria-hidden="true">/</kbd></form>`;
}

function Navigation({ route, close }) {
    const counts = useResource("/api/overview", { when: (event) => event.event === "failed" || event.event === "expired" });
    const failed = counts.data && counts.data.ended.last_hour.failed;
    return html`<nav class="nav" aria-label="Pages"><a class="brand" href="#/" onClick=${close}><${Mark} /><span>ganger</span></a>
        <ul>${PAGES.map((page) => html`<li key=${page.title}><a href=${link(page.path)} onClick=${close} title=${"g " + page.key}
            aria-current=${(route.path[0] || "") === (page.path[0] || "") ? "page" : undefined}><${Icon} name=${page.icon} size=${17} />
            <span>${page.title}</span>${page.icon === "failures" && failed > 0 && html`<b class="badge" title="failed in the last hour">${short(failed)}</b>`}</a></li>`)}</ul>
        <div class="nav-end"><button type="button" class="nav-plain" onClick=${() => { close(); showKeys(); }}><${Icon} name="keyboard" size=${17} /><span>Keys</span></button>
        ${token() && html`<button type="button" class="nav-plain" onClick=${() => { setToken(""); location.reload(); }}><${Icon} name="out" size=${17} /><span>Forget token</span></button>`}</div></nav>`;
}

function App() {
    const route = useRoute();
    const [locked, lock] = useState(false);
    const [menu, open] = useState(false);
    useEffect(() => onRefused((had) => { stop(); lock((old) => old || (had ? "token" : "nothing")); }), []);
    useEffect(() => { window.scrollTo(0, 0); }, [route.path.join("/")]);
    if (locked) return html`<${Login} lost=${locked === "token"} done=${() => { lock(false); start(); }} /><${Toasts} />`;
    return html`<a class="skip" href="#main" onClick=${(e) => { e.preventDefault(); document.getElementById("main").focus(); }}>To the content</a>
        <div class=${"frame" + (menu ? " menu-open" : "")}><${Navigation} route=${route} close=${() => open(false)} />
        ${menu && html`<div class="shade" onClick=${() => open(false)}></div>`}
        <div class="column"><div class="top"><button type="button" class="plain-icon menu-button" aria-label="Pages" aria-expanded=${menu} onClick=${() => open(!menu)}>
            <${Icon} name="menu" size=${20} /></button>
            <${JumpBox} /><${LiveSwitch} /><${ThemeSwitch} /></div>
        <main id="main" tabindex="-1"><${Page} route=${route} /></main></div></div><${DialogHost} /><${Toasts} />`;
}

if (!location.hash) go(link(parseHash(location.hash).path), true);
render(html`<${App} />`, document.getElementById("app"));
startKeys();
start();
