// SPDX-License-Identifier: MIT
// Report: collects pairs (a peer, ganger right after it), and prints them as a table or as JSON.
import { scenarios } from './scenarios.js';

const RATE = { unit: 'jobs/s', better: 'more' };

function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = Math.floor(sorted.length / 2);
    return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function describe(values) {
    return { median: median(values), least: Math.min(...values), most: Math.max(...values), values };
}

function short(value) {
    return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}

function spread({ median: middle, least, most }) {
    return `${short(middle)} (${short(least)}-${short(most)})`;
}

export class Report {
    constructor() {
        this.pairs = new Map();
    }

    // `theirs` and `ours`: {figure: value} of one repetition.
    add(scenario, peer, theirs, mode, ours) {
        for (const [figure, value] of Object.entries(theirs).filter(([name]) => ours[name] !== undefined)) {
            const key = `${scenario}|${figure}|${peer.name}|${mode.name}`;
            const likeForLike = scenario === 'enqueue' || scenario === 'latency' || peer.keeps === mode.keeps;
            const pair = this.pairs.get(key) ?? { scenario, figure, peer: peer.name, ganger: mode.name, likeForLike, values: [] };
            pair.values.push([value, ours[figure]]);
            this.pairs.set(key, pair);
        }
    }

    comparisons() {
        return [...this.pairs.values()].map(({ values, ...names }) => {
            const { unit, better } = scenarios[names.scenario].figures[names.figure] ?? RATE;
            const ratios = values.map(([theirs, ours]) => ours / theirs);
            const ratio = describe(ratios);
            const isAhead = better === 'more' ? ratio.median >= 1 : ratio.median <= 1;
            const sides = [0, 1].map((side) => describe(values.map((pair) => pair[side])));
            return { ...names, unit, better, peerValues: sides[0], gangerValues: sides[1], ratio, isAhead };
        });
    }

    table() {
        const head = ['scenario', 'figure', 'unit', 'peer', 'its median (range)', 'beside', 'median (range)', 'ganger/peer', ''];
        const order = Object.keys(scenarios);
        const sorted = this.comparisons().sort(
            (a, b) => order.indexOf(a.scenario) - order.indexOf(b.scenario) || a.figure.localeCompare(b.figure),
        );
        const rows = sorted.map((row) => [
            row.scenario,
            row.figure,
            row.unit,
            row.peer,
            spread(row.peerValues),
            `${row.ganger}${row.likeForLike ? '' : ' *'}`,
            spread(row.gangerValues),
            spread(row.ratio),
            row.isAhead ? 'ahead' : 'behind',
        ]);
        const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i].length)));
        const lines = [head, ...rows].map((row) => row.map((cell, i) => cell.padEnd(widths[i])).join('  ').trimEnd());
        return [...lines, '', '* only one of the two keeps completed jobs'].join('\n');
    }

    json(facts) {
        return `${JSON.stringify({ ...facts, comparisons: this.comparisons() }, null, 2)}\n`;
    }
}
