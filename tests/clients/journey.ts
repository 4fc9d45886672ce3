// Shared by the TypeScript journeys: the API's address, new patients for each run, and polling with a deadline.

declare const process: { env: Record<string, string | undefined>; exit(code: number): never };

export const apiUrl = environment("PORTAL_API_URL");
export const token = environment("PORTAL_TOKEN");

// Letters only, because the journey searches by name. Random, because a repeated journey needs new patients.
const letters = crypto.getRandomValues(new Uint8Array(12));
const run = Array.from(letters, (letter) => String.fromCharCode(97 + (letter % 26))).join("");
export const invited = `client-${run}-1`;
export const notInvited = `client-${run}-2`;
export const familyName = `Canary${run}`;

// Time limits of a poll for a state and of the journey. Each is far longer than needed.
const stateMillis = 60_000;
const journeyMillis = 180_000;

/** An email address that no other patient has. */
export function address(patientId: string): string {
  return `${patientId}@canary.example.com`;
}

/** Throws an error with the actual value unless the condition holds. */
export function check(holds: boolean, actual: unknown): asserts holds {
  if (!holds) throw new Error(`unexpected: ${JSON.stringify(actual)}`);
}

/** Whether two values are the same as JSON. */
export function same(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Reads until the condition holds, and returns the last value. */
export async function until<T>(what: string, read: () => Promise<T>, holds: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + stateMillis;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${stateMillis} ms. Last read: ${JSON.stringify(value)}`);
    await new Promise((resume) => setTimeout(resume, 100));
  }
}

/** Runs the journey. A journey that hangs fails. */
export function runJourney(journey: () => Promise<void>): void {
  const end = (error: unknown): never => {
    console.error(error);
    process.exit(1);
  };
  const timer = setTimeout(() => end(new Error(`not done within ${journeyMillis} ms`)), journeyMillis);
  journey().then(() => clearTimeout(timer), end);
}

function environment(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}
