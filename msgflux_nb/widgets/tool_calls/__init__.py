"""ToolCallView: watch, approve and replay tool calls."""
