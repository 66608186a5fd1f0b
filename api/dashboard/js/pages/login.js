// SPDX-License-Identifier: MIT
// Login: asks for a token when the API wants one. It is kept in this tab only, and forgotten when the tab is closed.
import { html, useState, useEffect, useRef } from "../html.js";
import { call, setToken } from "../http.js";
import { Mark } from "../icons.js";
import { Button, ErrorBox, CommandLine } from "../ui.js";

/** @param {{done: () => void, lost: boolean}} props done is called when a token was accepted; lost: one was refused that had been accepted */
export function Login({ done, lost }) {
    const [text, set] = useState("");
    const [error, fail] = useState(lost ? { title: "The token is no longer accepted", detail: "It was revoked, or its time is over." } : null);
    const [busy, work] = useState(false);
    const field = useRef(null);
    useEffect(() => { document.title = "Token · ganger"; field.current.focus(); }, []);
    const send = async (event) => {
        event.preventDefault();
        if (!text.trim() || busy) return;
        work(true);
        setToken(text.trim());
        try {
            await call("/api/overview");
            done();
        } catch (problem) {
            work(false);
            if (problem.status === 403) { done(); return; }
            setToken("");
            fail(problem.status === 401 ? { title: "This token is not accepted", detail: "It is unknown, was revoked, or its time is over." } : problem);
        }
    };
    return html`<main class="login"><form onSubmit=${send}><${Mark} size=${44} /><h1>ganger</h1>
        <label for="token">Token</label><input ref=${field} id="token" type="password" autocomplete="off" spellcheck="false" placeholder="gng_…" value=${text}
            onInput=${(e) => set(e.target.value)} aria-describedby="token-help" />
        <${Button} type="submit" kind="primary" disabled=${busy || !text.trim()}>Open</${Button}><${ErrorBox} error=${error} />
        <div id="token-help" class="muted"><p>An administrator makes one on the machine where ganger runs:</p>
        <${CommandLine} text="ganger api-tokens create me --scope read,operate" /><p>It stays in this tab, and is forgotten when the tab is closed.</p></div></form></main>`;
}
