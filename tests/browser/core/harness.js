// The smallest harness that names what broke.

const tests = [];

export function test(name, body) {
  tests.push({ name, body });
}

export async function run() {
  const results = [];
  for (const { name, body } of tests) {
    try {
      await body();
      results.push({ name, ok: true, error: null });
    } catch (error) {
      results.push({ name, ok: false, error: String(error?.stack ?? error) });
    }
  }
  return results;
}

export function equal(actual, expected, what = '') {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== e) throw new Error(`${what} expected ${e}, got ${a}`);
}

export function near(actual, expected, tolerance, what = '') {
  if (!(Math.abs(actual - expected) <= tolerance)) {
    throw new Error(`${what} expected ${expected} ± ${tolerance}, got ${actual}`);
  }
}

export function truthy(value, what) {
  if (!value) throw new Error(what);
}

export async function all(stream) {
  const chunks = [];
  for (const reader = stream.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return chunks;
    chunks.push(value);
  }
}

export function streamOf(items) {
  return new ReadableStream({
    start(controller) {
      for (const item of items) controller.enqueue(item);
      controller.close();
    },
  });
}

/** Until something holds; one that never does is named. */
export async function until(holds, tries = 2000) {
  while (!holds()) {
    if (!tries--) throw new Error(`never: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
