"""ToolCallView: tool calls while they are put together, approved and run."""
