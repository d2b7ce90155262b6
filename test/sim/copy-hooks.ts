/**
 * Module hooks: what a module with `?copy=n` imports is copy n as well. Only code that is loaded anew on every worker
 * thread and may keep scratch memory in module variables; what threads share (runtime, base) stays one.
 */
import type { ResolveHook } from 'node:module';

const COPIED = /\/src\/(actors|store|remoting|message)\//;

export const resolve: ResolveHook = async (specifier, context, next) => {
  const resolved = await next(specifier, context);
  const copy = /\?copy=\d+$/.exec(context.parentURL ?? '');
  if (copy === null || !COPIED.test(resolved.url) || resolved.url.includes('?')) return resolved;
  return { ...resolved, url: resolved.url + copy[0] };
};
