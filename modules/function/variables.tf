variable "description" {
  description = "What the function does, for the reader of the Lambda console."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the function's logs; checked by the calling module."
  type        = number
  nullable    = false
}

variable "name" {
  description = "Name of the function; its log group is `/aws/lambda/<name>`."
  type        = string
  nullable    = false
}

variable "package" {
  description = "Folder below `functions/` with the function's own code and its `handler.py`; `revenium/` comes along."
  type        = string
  nullable    = false
}

variable "role_name" {
  description = "Name of the function's role; the calling module puts its policies on it."
  type        = string
  nullable    = false
}

variable "runtime" {
  description = "Lambda runtime of the function; checked by the calling module."
  type        = string
  nullable    = false
}

variable "timeout_seconds" {
  description = "Seconds that one invocation may take."
  type        = number
  nullable    = false
}

variable "environment" {
  description = "Environment variables of the function. No secrets: they are in the state."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "extra_files" {
  description = "Files to put into the zip beside the package, by their path in it: their content."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "memory_size" {
  description = "MB of memory of the function; CPU comes with it."
  type        = number
  default     = 256
  nullable    = false
}
