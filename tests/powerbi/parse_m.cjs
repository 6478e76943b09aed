// Reads {"name": "M text", …} as JSON from standard input; writes {"name": null or what is wrong with its syntax, …}.
const { DefaultSettings, TaskUtils } = require("@microsoft/powerquery-parser");

async function main() {
    const found = {};
    for (const [name, text] of Object.entries(JSON.parse(require("fs").readFileSync(0, "utf8")))) {
        const task = await TaskUtils.tryLexParse(DefaultSettings, text);
        found[name] = TaskUtils.isParseStageOk(task) ? null : task.error.message;
    }
    console.log(JSON.stringify(found));
}

main();
