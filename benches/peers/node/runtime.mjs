// A client of Lambda's Runtime API for comparisons. AWS's own client takes minutes to compile.
import { createRequire } from "node:module";

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/`;
const { handler } = createRequire(import.meta.url)(process.argv[2]);

async function post(id, outcome, content) {
  await (await fetch(`${api}${id}/${outcome}`, { method: "POST", body: JSON.stringify(content) })).text();
}

for (;;) {
  const next = await fetch(`${api}next`);
  const id = next.headers.get("lambda-runtime-aws-request-id");
  try {
    await post(id, "response", await handler(await next.json(), { awsRequestId: id }));
  } catch (error) {
    await post(id, "error", { errorType: error.name, errorMessage: error.message });
  }
}
