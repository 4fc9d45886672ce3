// Answers with the status panel of a patient.

import { answering, caller, load } from "./edge.js";
import { panel } from "./panel.js";

export const handler = answering(async (event) => {
  const { practice } = caller(event, "portal/read");
  const { record, settings } = await load(practice, event.pathParameters.patientId, true);
  return [200, panel(record, settings, Date.now())];
});
