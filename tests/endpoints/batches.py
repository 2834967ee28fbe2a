"""A scripted endpoint with a batch API: real files over HTTP, and every line answered by the same script as a chat."""

import json
import re
from typing import Any

from .scripted import ScriptedServer, Step
from .wire import Call


class BatchServer(ScriptedServer):
    """`/files` and `/batches` as OpenAI has them.

    Attributes:
        looks_needed: A batch is done at its so-manieth look.
        answered: How many lines are answered before a batch expires or is cancelled; None for all.
        ending: What becomes of a batch when it is done.
        lose: Paths (such as "/batches") whose next POST is carried out, but whose answer never comes.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.looks_needed = 1
        self.answered: int | None = None
        self.ending = "completed"
        self.lose: set[str] = set()

    async def answer(self, call: Call) -> None:
        """Answer one request."""
        path = call.path.removeprefix("/v1").partition("?")[0]
        parts = path.strip("/").split("/")
        if parts[0] not in ("files", "batches"):
            await super().answer(call)
            return
        found = self._files(call, parts) if parts[0] == "files" else self._batches(call, parts)
        if call.method == "POST" and path in self.lose:
            self.lose.discard(path)
            call.reset()
        elif found is None:
            await call.send({"error": {"message": "no such thing"}}, 404)
        else:
            await call.send(found)

    def _files(self, call: Call, parts: list[str]) -> Any:
        if call.method == "POST":
            boundary = re.search("boundary=([^;]+)", call.headers["content-type"])
            assert boundary is not None
            fields = {}
            for piece in call.body.split(b"--" + boundary.group(1).strip('"').encode())[1:-1]:
                head, _, body = piece.partition(b"\r\n\r\n")
                name = re.search(rb'name="([^"]+)"', head)
                assert name is not None
                fields[name.group(1).decode()] = body.removesuffix(b"\r\n")
            assert fields["purpose"] == b"batch"
            key = f"file-{len(self.files) + 1}"
            self.files[key] = fields["file"]
            return {"id": key, "object": "file", "bytes": len(fields["file"]), "purpose": "batch"}
        return self.files.get(parts[1])

    def _batches(self, call: Call, parts: list[str]) -> Any:
        if call.method == "POST" and len(parts) == 1:
            wish = call.json
            lines = self.files[wish["input_file_id"]].splitlines()
            key = f"batch_{len(self.batches) + 1}"
            self.batches[key] = {
                "id": key, "object": "batch", "status": "validating", "input_file_id": wish["input_file_id"],
                "metadata": wish.get("metadata"), "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
                "looks": 0,
            }  # fmt: skip
            return self.batches[key]
        if len(parts) == 1:
            return {"object": "list", "data": list(self.batches.values())[::-1]}
        batch = self.batches.get(parts[1])
        if batch is None:
            return None
        if len(parts) == 3:
            batch["status"] = "cancelling"
            return batch
        batch["looks"] += 1
        if batch["status"] == "cancelling":
            self._finish(batch, "cancelled")
        elif batch["status"] in ("validating", "in_progress"):
            batch["status"] = "in_progress"
            if batch["looks"] >= self.looks_needed:
                self._finish(batch, self.ending)
        return batch

    def _finish(self, batch: dict[str, Any], status: str) -> None:
        batch["status"] = status
        if status == "failed":
            batch["errors"] = {"data": [{"code": "invalid", "message": "line 1 is no request"}]}
            return
        good: list[Any] = []
        bad: list[Any] = []
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        for i, line in enumerate(lines):
            row: dict[str, Any] = {
                "id": f"r{i}",
                "custom_id": line["custom_id"],
                "response": None,
                "error": None,
            }
            if self.answered is not None and i >= self.answered:
                row["error"] = {"code": f"batch_{status}", "message": "This request could not be executed."}
                bad.append(row)
                continue
            self.chats += 1
            step = self.step(self.chats, line["body"])
            row["response"] = self._response(step, line["body"])
            (good if row["response"]["status_code"] == 200 else bad).append(row)
        # No order is promised.
        for name, rows in (("output_file_id", good[::-1]), ("error_file_id", bad)):
            if rows:
                key = f"file-{len(self.files) + 1}"
                self.files[key] = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
                batch[name] = key
        batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}

    def _response(self, step: Step, body: dict[str, Any]) -> dict[str, Any]:
        if step.kind == "error":
            return {
                "status_code": step.status,
                "body": step.body or {"error": {"message": "scripted failure"}},
            }
        return {"status_code": 200, "body": self._completion(step, body)}
