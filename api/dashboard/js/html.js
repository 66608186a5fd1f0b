// SPDX-License-Identifier: MIT
// html: what all modules need to draw. Texts only ever go through preact, which escapes them.
import { h, render } from "../vendor/preact.js";
import { useState, useEffect, useRef, useCallback, useErrorBoundary, useId } from "../vendor/hooks.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { render, useState, useEffect, useRef, useCallback, useErrorBoundary, useId };
