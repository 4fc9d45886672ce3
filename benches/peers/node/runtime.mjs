// Lambda's Runtime API for one handler, where the functions are compared only: AWS's own client is compiled for minutes.
import { createRequire } from "node:module";

const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/`;
const { handler } = createRequire(import.meta.url)(process.argv[2]);

async function tell(id, outcome, content) {
  await (await fetch(`${api}${id}/${outcome}`, { method: "POST", body: JSON.stringify(content) })).text();
}

for (;;) {
  const next = await fetch(`${api}next`);
  const id = next.headers.get("lambda-runtime-aws-request-id");
  try {
    await tell(id, "response", await handler(await next.json(), { awsRequestId: id }));
  } catch (error) {
    await tell(id, "error", { errorType: error.name, errorMessage: error.message });
  }
}
