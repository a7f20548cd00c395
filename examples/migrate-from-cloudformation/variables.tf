variable "log_groups" {
  description = "The access-log groups that the template's function reads, by a name of your choice that stays: the group's ARN, and the name of the subscription filter that feeds that function, which is taken over."
  type = map(object({
    arn         = string
    filter_name = string
  }))
  nullable = false
}

variable "revenium_api_key" {
  description = "Revenium API key. It is kept in Secrets Manager only; set it on every run, best as TF_VAR_revenium_api_key."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "metering_api" {
  description = "Version of Revenium's metering API: `v1`, which the template uses, or `v2`, which takes a repeated record once."
  type        = string
  default     = "v2"
  nullable    = false
}

variable "metering_url" {
  description = "Base URL of the metering API of an EU or private Revenium instance. Null is Revenium's public instance."
  type        = string
  default     = null
}

variable "name" {
  description = "Prefix of every name."
  type        = string
  default     = "revenium"
  nullable    = false
}

variable "stages" {
  description = "The stages that have been moved to the module's own log group and format, by a name of your choice that stays: kind of the API (`REST`, `HTTP`, `WEBSOCKET`), its id, and the stage's name."
  type = map(object({
    kind   = string
    api_id = string
    stage  = string
  }))
  default  = {}
  nullable = false
}
