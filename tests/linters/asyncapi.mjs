// Parses the AsyncAPI document that is named, and prints what the parser finds, worst first: 0 is an error.
import { readFileSync } from 'node:fs'
import { Parser } from '@asyncapi/parser'

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'))
for (const { severity, code, message, path } of diagnostics.sort((one, other) => one.severity - other.severity)) {
  console.log(severity, code, message, path.join('/'))
}
process.exit(document === undefined || diagnostics.some(({ severity }) => severity === 0) ? 1 : 0)
