// Items of lines such as `| name=Ghana | population=31`: an extractor that is written in
// JavaScript.

const LINE = /\| name=([^|]*) \| population=(\d+)$/;

export const extractor = {
    describe() {
        return { contentTypes: ["text/*"], encoding: "text", namesNext: false };
    },

    extract(page) {
        const items = [];
        for (const line of page.body.val.split("\n")) {
            const found = LINE.exec(line);
            if (found) {
                items.push(JSON.stringify({ name: found[1], population: Number(found[2]) }));
            } else if (line.trim()) {
                throw "other-line";
            }
        }
        return { items, next: undefined, total: undefined };
    },
};
