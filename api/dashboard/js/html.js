// SPDX-License-Identifier: MIT
// html: what all modules need to draw. Texts only ever go through preact, which escapes them.
import { h, render, Fragment, createContext } from "../vendor/preact.js";
import { useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext, useErrorBoundary, useId }
    from "../vendor/hooks.js";
import htm from "../vendor/htm.js";

export const html = htm.bind(h);
export { h, render, Fragment, createContext, useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback, useContext,
    useErrorBoundary, useId };
